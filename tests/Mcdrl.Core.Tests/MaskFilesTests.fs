module Mcdrl.Tests.MaskFilesTests

open System
open System.IO
open Expecto
open Mcdrl

/// Reads every format as its specification says, by numpy, Pillow and tifffile: the labels of all pictures, by format, into one file. It holds nothing of ours.
let private reader =
    """
import sys, io, json, gzip, base64, os, re
import numpy as np, tifffile
from xml.etree import ElementTree
from PIL import Image

folder, sizes = sys.argv[1], json.loads(sys.argv[2])
names = list(sizes)

def polygon(flat, w, h):
    p = np.array(flat, float).reshape(-1, 2)
    inside = np.zeros((h, w), bool)
    x, y = np.meshgrid(np.arange(w) + .5, np.arange(h) + .5)
    for (x0, y0), (x1, y1) in zip(p, np.roll(p, -1, 0)):
        if y0 != y1:
            across = (min(y0, y1) <= y) & (y < max(y0, y1))
            inside ^= across & (x < x0 + (y - y0) / (y1 - y0) * (x1 - x0))
    return inside

def unpack(text):
    counts, at = [], 0
    while at < len(text):
        value = shift = 0
        while True:
            bits = ord(text[at]) - 48
            at += 1
            value |= (bits & 31) << shift
            shift += 5
            if not bits & 32: break
        if bits & 16: value -= 1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
    return counts

def runs(counts, order, w, h):
    flat = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
    return flat.reshape((h, w), order=order)

def coco(path):
    data = json.load(open(path))
    assert [c['name'] for c in data['categories']] == ['polyp', 'ulcer']
    maps = {i['id']: np.zeros((i['height'], i['width']), np.uint8) for i in data['images']}
    assert len({a['id'] for a in data['annotations']}) == len(data['annotations'])
    for a in data['annotations']:
        h, w = maps[a['image_id']].shape
        s = a['segmentation']
        mask = runs(unpack(s['counts']), 'F', w, h) if isinstance(s, dict) else polygon(s[0], w, h)
        ys, xs = np.nonzero(mask)
        assert a['area'] == mask.sum()
        assert a['bbox'] == [xs.min(), ys.min(), xs.max() - xs.min() + 1, ys.max() - ys.min() + 1]
        maps[a['image_id']][mask] = a['category_id']
    return {i['file_name']: maps[i['id']] for i in data['images']}

labels = {'polyp': 1, 'ulcer': 2}

def cvat(path):
    maps = {}
    for image in ElementTree.parse(path).getroot().iter('image'):
        w, h = int(image.get('width')), int(image.get('height'))
        m = maps[image.get('name')] = np.zeros((h, w), np.uint8)
        for shape in image:
            label = labels[shape.get('label')]
            if shape.tag == 'polygon':
                m[polygon([float(v) for p in shape.get('points').split(';') for v in p.split(',')], w, h)] = label
            else:
                left, top, bw, bh = (int(shape.get(k)) for k in ('left', 'top', 'width', 'height'))
                box = runs([int(v) for v in shape.get('rle').split(',')], 'C', bw, bh)
                m[top:top + bh, left:left + bw][box] = label
    return maps

def labelme(name):
    path = os.path.join(folder, 'labelme', os.path.splitext(name)[0] + '.json')
    data = json.load(open(path))
    picture = os.path.normpath(os.path.join(os.path.dirname(path), data['imagePath']))
    assert os.path.samefile(picture, os.path.join(folder, '..', 'in', name))
    h, w = data['imageHeight'], data['imageWidth']
    m = np.zeros((h, w), np.uint8)
    for s in data['shapes']:
        if s['shape_type'] == 'polygon':
            m[polygon(np.ravel(s['points']), w, h)] = labels[s['label']]
        else:
            (x0, y0), (x1, y1) = s['points']
            box = np.array(Image.open(io.BytesIO(base64.b64decode(s['mask'])))).astype(bool)
            assert box.shape == (y1 - y0 + 1, x1 - x0 + 1)
            m[y0:y1 + 1, x0:x1 + 1][box] = labels[s['label']]
    return m

def nrrd(name):
    head, data = open(os.path.join(folder, os.path.splitext(name)[0] + '.seg.nrrd'), 'rb').read().split(b'\n\n', 1)
    lines = head.decode().split('\n')
    assert lines[0] == 'NRRD0004'
    fields = dict(re.split(r':=|: ', line, maxsplit=1) for line in lines[1:])
    assert (fields['type'], fields['dimension'], fields['encoding']) == ('uint8', '3', 'gzip')
    w, h, depth = map(int, fields['sizes'].split())
    m = np.frombuffer(gzip.decompress(data), np.uint8).reshape(depth, h, w)[0]
    for k, (label, value) in enumerate(labels.items()):
        assert fields[f'Segment{k}_Name'] == label and int(fields[f'Segment{k}_LabelValue']) == value
        x0, x1, y0, y1, z0, z1 = map(int, fields[f'Segment{k}_Extent'].split())
        ys, xs = np.nonzero(m == value)
        if len(xs): assert (x0, x1, y0, y1, z0, z1) == (xs.min(), xs.max(), ys.min(), ys.max(), 0, 0)
        else: assert x1 < x0
    return m

with tifffile.TiffFile(os.path.join(folder, 'masks.tif')) as tiff:
    assert [page.tags['PageName'].value for page in tiff.pages] == names
    pages = dict(zip(names, [page.asarray() for page in tiff.pages]))

found = [coco(os.path.join(folder, 'coco.json')), coco(os.path.join(folder, 'coco-rle.json')),
         cvat(os.path.join(folder, 'annotations.xml')), {n: labelme(n) for n in names}, {n: nrrd(n) for n in names}, pages]
with open(os.path.join(folder, 'found'), 'wb') as out:
    for maps in found:
        assert list(maps) == names
        for name in names:
            assert maps[name].shape == tuple(sizes[name])
            out.write(maps[name].tobytes())
"""

/// Noise, rings within rings, and nothing.
let private drawn (seed: int) : LabelMap =
    let generator = Random seed
    let width, height = 1 + generator.Next 30, 1 + generator.Next 30

    let label pixel =
        let x, y = pixel % width - width / 2, pixel / width - height / 2

        match seed % 3 with
        | 0 -> generator.Next 3
        | 1 -> (x * x + y * y) / 23 % 3
        | _ -> 0

    {
        Width = width
        Height = height
        Labels = Array.init (width * height) (label >> byte)
    }

let private classes = [ 1uy, "polyp"; 2uy, "ulcer" ]

/// Masks whose pictures lie in a folder `in`.
let private masks folder (maps: (string * LabelMap) list) =
    [
        for name, map in maps do
            let image = Path.Combine(folder, "in", name)
            Directory.CreateDirectory(nonNull (Path.GetDirectoryName image)) |> ignore
            File.WriteAllText(image, "")

            {
                Name = name
                Image = image
                Read = fun () -> Ok map
            }
    ]

let tests =
    testList
        "MaskFiles"
        [
            test "readers that know nothing but the formats find the same pixels in all of them" {
                Folder.temporary (fun folder ->
                    let maps =
                        [
                            for seed in 0..11 ->
                                (if seed % 2 = 0 then $"ü 日/{seed}.png" else $"{seed}.x.jpg"), drawn seed
                        ]

                    let out = Path.Combine(folder, "out")

                    for _, format in MaskFiles.formats do
                        Outcome.ok (MaskFiles.write out classes (masks folder maps) format)

                    let sizes =
                        [ for name, map in maps -> $"\"{name}\": [{map.Height}, {map.Width}]" ]
                        |> String.concat ", "

                    Programs.python [ "numpy"; "tifffile"; "PIL" ] reader [ out; $"{{{sizes}}}" ]
                    |> ignore

                    let truth = maps |> List.map (fun (_, map) -> map.Labels) |> Array.concat

                    Expect.equal
                        (File.ReadAllBytes(Path.Combine(out, "found")))
                        (Array.concat (List.replicate MaskFiles.formats.Length truth))
                        "every pixel, in the order of the formats")
            }

            test "a mask that can't be read leaves the old file" {
                Folder.temporary (fun folder ->
                    let out = Path.Combine(folder, "out")

                    let bad: NamedMask =
                        {
                            Name = "bad.png"
                            Image = Path.Combine(folder, "bad.png")
                            Read = fun () -> Error(McdrlError.data "it is damaged" "bad.png" "Replace it")
                        }

                    for _, format in MaskFiles.formats do
                        let good = masks folder [ "good.png", drawn 1 ]
                        Outcome.ok (MaskFiles.write out classes good format)
                        let before = MaskFiles.paths out format good |> List.map File.ReadAllBytes

                        MaskFiles.write out classes (good @ [ bad ]) format
                        |> Outcome.refusedWith 4 [ "it is damaged" ]

                        Expect.equal
                            (MaskFiles.paths out format good |> List.map File.ReadAllBytes)
                            before
                            $"{format}"

                    Expect.hasLength (Directory.GetFileSystemEntries out) 6 "and nothing else")
            }

            test "a label without a name is left out of what names labels" {
                Folder.temporary (fun folder ->
                    let map =
                        { drawn 1 with
                            Labels = (drawn 1).Labels |> Array.map (fun _ -> 9uy)
                        }

                    let mask = masks folder [ "a.png", map ]
                    Outcome.ok (MaskFiles.write folder classes mask MaskFormat.Coco)
                    let text = File.ReadAllText(Path.Combine(folder, "coco.json"))
                    Expect.stringContains text "\"annotations\":[]" "none")
            }

            test "no picture is replaced, and no two masks have one file" {
                Folder.temporary (fun folder ->
                    let mask = (masks folder [ "a.png", drawn 1 ]).Head
                    let picture = Path.Combine(folder, "coco.json")
                    File.WriteAllText(picture, "")

                    MaskFiles.write folder classes [ { mask with Image = picture } ] MaskFormat.Coco
                    |> Outcome.refusedWith 2 [ "would be replaced" ]

                    MaskFiles.write folder classes [ mask; { mask with Name = "a.jpg" } ] MaskFormat.Nrrd
                    |> Outcome.refusedWith 2 [ "the same name" ])
            }
        ]
