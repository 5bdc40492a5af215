namespace Mcdrl

/// The published datasets and the formats of annotation tools that can be imported. Where the layouts are known from: docs/data.md.
[<RequireQualifiedAccess>]
module ImportCatalogue =
    let private bright images masks =
        {
            Images = images
            Marks = Marks.Masks([ masks ], MaskRule.Bright 128uy)
        }

    let internal bmBronchoLC =
        {
            Name = "bm-broncholc"
            Title = "BM-BronchoLC"
            Licence = "CC BY 4.0"
            Address =
                "https://figshare.com/articles/dataset/BM-BronchoLC/24243670 (Lung_cancer.zip, Non_lung_cancer.zip)"
            Citation =
                "V. G. Vu et al., BM-BronchoLC: a rich bronchoscopy dataset for anatomical landmarks and lung cancer lesion recognition, Scientific Data 11, 321 (2024)"
            Expected =
                "Lung_cancer and Non_lung_cancer, each with imgs/<patient>/<video>/<image>.png, annotation.json and labels.json"
            LeftOut =
                "Frames without a lesion polygon: nobody says whether they were looked at for lesions. Polygons of anatomical landmarks."
            Classes =
                [
                    "mucosal erythema"
                    "anthracosis"
                    "stenosis"
                    "mucosal edema of carina"
                    "mucosal infiltration"
                    "vascular growth"
                    "tumor"
                ]
            Layouts =
                [
                    {
                        Images = "{group}/imgs/{patient}/{video}/{name}"
                        Marks =
                            Marks.Polygons(
                                "{group}/annotation.json",
                                "{group}/labels.json",
                                [
                                    "Muscosal erythema"
                                    "Anthrocosis"
                                    "Stenosis"
                                    "Mucosal edema of carina"
                                    "Mucosal infiltration"
                                    "Vascular growth"
                                    "Tumor"
                                ]
                            )
                    }
                ]
            Site = "bm-broncholc"
            Stem = "{name}"
        }

    let internal laryngoscope8 =
        {
            Name = "laryngoscope8"
            Title = "Laryngoscope8"
            Licence = "not stated where it could be looked up; ask its authors"
            Address =
                "by request to its authors: https://www.sciencedirect.com/science/article/pii/S0167865521002646"
            Citation =
                "L. Yin et al., Laryngoscope8: laryngeal image dataset and classification of laryngeal disease based on attention mechanism, Pattern Recognition Letters 150, 207-213 (2021)"
            Expected = "a folder of images for each of its eight classes"
            LeftOut = "Everything: it has no masks."
            Classes = []
            Layouts =
                [
                    {
                        Images = "{class}/{name}"
                        Marks = Marks.Nothing "one of eight class labels for each image"
                    }
                ]
            Site = "laryngoscope8"
            Stem = "{class}_{name}"
        }

    let internal cvcClinicDB =
        {
            Name = "cvc-clinicdb"
            Title = "CVC-ClinicDB"
            Licence = "research and education only, no commercial use"
            Address = "https://polyp.grand-challenge.org/CVCClinicDB/"
            Citation =
                "J. Bernal et al., WM-DOVA maps for accurate polyp highlighting in colonoscopy: validation vs. saliency maps from physicians, Computerized Medical Imaging and Graphics 43, 99-111 (2015)"
            Expected = "Original/<n>.tif and Ground Truth/<n>.tif, or the same under PNG as PNG files"
            LeftOut = ""
            Classes = [ "polyp" ]
            Layouts =
                [
                    bright "Original/{name}" "Ground Truth/{name}"
                    bright "Original/{name}" "Ground_Truth/{name}"
                ]
            Site = "cvc-clinicdb"
            Stem = "{name}"
        }

    let internal etisLarib =
        {
            Name = "etis-larib"
            Title = "ETIS-LaribPolypDB"
            Licence = "not stated where it could be looked up; see its challenge page"
            Address = "https://polyp.grand-challenge.org/ETISLarib/"
            Citation =
                "J. Silva et al., Toward embedded detection of polyps in WCE images for early diagnosis of colorectal cancer, IJCARS 9, 283-293 (2014)"
            Expected = "ETIS-LaribPolypDB/<n>.tif and Ground Truth/p<n>.tif"
            LeftOut = ""
            Classes = [ "polyp" ]
            Layouts =
                [
                    bright "ETIS-LaribPolypDB/{name}" "Ground Truth/p{name}"
                    bright "ETIS-LaribPolypDB/{name}" "GroundTruth/p{name}"
                    bright "ETIS-LaribPolypDB/{name}" "Ground_Truth/p{name}"
                    bright "images/{name}" "masks/p{name}"
                    bright "images/{name}" "masks/{name}"
                ]
            Site = "etis-larib"
            Stem = "{name}"
        }

    let internal kvasirSeg =
        {
            Name = "kvasir-seg"
            Title = "Kvasir-SEG"
            Licence = "research and education only; commercial use needs permission"
            Address = "https://datasets.simula.no/kvasir-seg/"
            Citation = "D. Jha et al., Kvasir-SEG: a segmented polyp dataset, MultiMedia Modeling (2020)"
            Expected = "images/<name>.jpg and masks/<name>.jpg"
            LeftOut = "The bounding boxes, which follow from the masks."
            Classes = [ "polyp" ]
            Layouts = [ bright "images/{name}" "masks/{name}" ]
            Site = "kvasir-seg"
            Stem = "{name}"
        }

    let internal polypGen =
        {
            Name = "polypgen"
            Title = "PolypGen"
            Licence = "CC BY 4.0"
            Address = "https://www.synapse.org/Synapse:syn45200214 (PolypGen2021_MultiCenterData_v3)"
            Citation =
                "S. Ali et al., A multi-centre polyp detection and segmentation dataset for generalisability assessment, Scientific Data 10, 75 (2023)"
            Expected = "data_C1 to data_C6, each with images_C<i>/<name>.jpg and masks_C<i>/<name>_mask.jpg"
            LeftOut =
                "sequenceData: the names of its folders do not say which hospital a sequence is from, and its negative frames have no masks. imagesAll_positive, which repeats the frames."
            Classes = [ "polyp" ]
            Layouts =
                [
                    {
                        Images = "data_C{site}/images_C{site}/{name}"
                        Marks =
                            Marks.Masks(
                                [
                                    "data_C{site}/masks_C{site}/{name}_mask"
                                    "data_C{site}/masks_C{site}/{name}"
                                ],
                                MaskRule.Bright 128uy
                            )
                    }
                ]
            Site = "c{site}"
            Stem = "{name}"
        }

    let internal bkaiIgh =
        let layout images masks =
            {
                Images = images
                Marks = Marks.Masks([ masks ], MaskRule.Colours [ 255uy, 0uy, 0uy; 0uy, 255uy, 0uy ])
            }

        {
            Name = "bkai-igh"
            Title = "BKAI-IGH NeoPolyp-Small"
            Licence = "not stated where it could be looked up; see the rules of its challenge"
            Address = "https://www.kaggle.com/c/bkai-igh-neopolyp"
            Citation =
                "P. N. Lan et al., NeoUNet: towards accurate colon polyp segmentation and neoplasm detection, Advances in Visual Computing, LNCS 13018, 15-28 (2021)"
            Expected =
                "train/train/<name>.jpeg and train_gt/train_gt/<name>.jpeg, red for neoplastic, green for non-neoplastic"
            LeftOut = "The 200 test images, whose masks were not published."
            Classes = [ "neoplastic polyp"; "non-neoplastic polyp" ]
            Layouts =
                [
                    layout "train/train/{name}" "train_gt/train_gt/{name}"
                    layout "train/{name}" "train_gt/{name}"
                ]
            Site = "bkai-igh"
            Stem = "{name}"
        }

    let internal vocalFolds =
        {
            Name = "vocal-folds"
            Title = "Vocal folds (laryngoscopy)"
            Licence = "CC BY 4.0"
            Address = "https://github.com/imesluh/vocalfolds"
            Citation =
                "M.-H. Laves et al., A dataset of laryngeal endoscopic images with comparative study on convolution neural network-based semantic segmentation, IJCARS 14, 483-492 (2019)"
            Expected = "img/patient<i>/seq<k>/<name>.png and annot/patient<i>/seq<k>/<name>.png"
            LeftOut = ""
            Classes =
                [
                    "vocal folds"
                    "other tissue"
                    "glottal space"
                    "pathology"
                    "surgical tool"
                    "intubation"
                ]
            Layouts =
                [
                    {
                        Images = "img/patient{patient}/{sequence}/{name}"
                        Marks = Marks.Masks([ "annot/patient{patient}/{sequence}/{name}" ], MaskRule.Numbers)
                    }
                ]
            Site = "patient{patient}"
            Stem = "{sequence}_{name}"
        }

    let private own name title expected leftOut layouts =
        {
            Name = name
            Title = title
            Licence = ""
            Address = ""
            Citation = ""
            Expected = expected
            LeftOut = leftOut
            Classes = []
            Layouts = layouts
            Site = ""
            Stem = "{name}"
        }

    let private annotated name title expected leftOut format =
        own
            name
            title
            expected
            leftOut
            [
                {
                    Images = ""
                    Marks = Marks.Annotated format
                }
            ]

    /// Formats of annotation tools, for one's own images.
    let formats =
        [
            annotated
                "coco"
                "COCO instances"
                "JSON files with images, annotations and categories, outlines or runs; or one such file"
                "Boxes without an outline are a problem."
                AnnotationFormat.Coco
            annotated
                "labelme"
                "labelme"
                "a JSON file for each image: polygons, rectangles, circles, masks"
                "Images without a JSON file: nobody says whether they were looked at."
                AnnotationFormat.Labelme
            annotated
                "cvat"
                "CVAT"
                "“Segmentation mask 1.1” (labelmap.txt, SegmentationClass) or “CVAT for images 1.1” (annotations.xml), saved with the images or beside --images"
                "Tags. Images that the export doesn't name."
                AnnotationFormat.Cvat
            annotated
                "label-studio"
                "Label Studio"
                "its JSON export, and beside it the PNGs of “Brush labels to NumPy and PNG” where brushes were used"
                "Tasks that nobody annotated; of several annotations of one task all but the last."
                AnnotationFormat.LabelStudio
            { own
                  "folders"
                  "plain folders"
                  "images and masks of the same names, marked brighter than half, in images and masks, or in a folder of each site that holds both"
                  "Masks of several values need no import: describe them with `mcdrl data init`."
                  [
                      for images, masks in
                          [ "images", "masks"; "image", "mask"; "imgs", "masks"; "images", "labels" ] do
                          for site in [ "{site}/"; "" ] do
                              {
                                  Images = $"{site}{images}/{{name}}"
                                  Marks =
                                      Marks.Masks(
                                          [
                                              $"{site}{masks}/{{name}}_mask"
                                              $"{site}{masks}/{{name}}_segmentation"
                                              $"{site}{masks}/{{name}}"
                                          ],
                                          MaskRule.Bright 128uy
                                      )
                              }
                  ] with
                Classes = [ "lesion" ]
                Site = "{site}"
            }
        ]

    /// All published ones, in the order in which they are listed.
    let all =
        [
            bmBronchoLC
            laryngoscope8
            cvcClinicDB
            etisLarib
            kvasirSeg
            polypGen
            bkaiIgh
            vocalFolds
        ]

    /// The dataset or format of this name.
    let find (name: string) : Result<ImportSource, McdrlError> =
        match formats @ all |> List.tryFind (fun source -> source.Name = name) with
        | Some source -> Ok source
        | None ->
            let known = formats @ all |> List.map _.Name

            Error(
                McdrlError.usage
                    $"no format and no dataset is called {name}"
                    "mcdrl data import"
                    $"""{Spelling.hint known name}Give one of {String.concat ", " known}"""
            )
