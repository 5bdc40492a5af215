/// DICOM files of every kind, made by pydicom, all of a patient whose name must not be seen again.
module Mcdrl.Tests.CraftedDicom

open System
open System.IO

let width, height = 40, 30

/// What stands wherever a file speaks of people and places.
let secret = "SECRET"

let private script =
    """
import sys, numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import *

out = sys.argv[1] + '/'
W, H = 40, 30
y, x = np.mgrid[0:H, 0:W]
rgb = np.stack([x * 6, y * 8, (x + y) * 3], -1).astype(np.uint8)

def make(name, pixels, photometric, bits=8, stored=None, syntax=ExplicitVRLittleEndian, frames=None,
         cls='1.2.840.10008.5.1.4.1.1.77.1.1', raw=None, **more):
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = cls
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = syntax
    ds = FileDataset(out + name, {}, file_meta=meta, preamble=b'\0' * 128)
    ds.SOPClassUID, ds.SOPInstanceUID = cls, meta.MediaStorageSOPInstanceUID
    ds.StudyInstanceUID, ds.SeriesInstanceUID = generate_uid(), generate_uid()
    ds.SpecificCharacterSet = 'ISO_IR 192'
    ds.PatientName, ds.PatientID = 'SECRET^NAME', 'SECRETID'
    ds.OtherPatientIDs, ds.PatientComments, ds.PatientAddress = 'SECRETOTHER', 'SECRET comment', 'SECRET street'
    ds.ReferringPhysicianName, ds.InstitutionName = 'SECRET^DOCTOR', 'SECRET HOSPITAL'
    ds.StudyDescription, ds.SeriesDescription, ds.AccessionNumber = 'SECRET study', 'SECRET series', 'SECRETACC'
    ds.StudyID, ds.OperatorsName, ds.Modality = 'SECRETSTUDY', 'SECRET^NURSE', 'ES'
    item = Dataset()
    item.StudyInstanceUID, item.SeriesInstanceUID, item.PatientName = '1.2.3', '1.2.3.4', 'SECRET^NESTED'
    item.Rows = 7
    ds.ReferencedStudySequence = [item]
    ds.SamplesPerPixel = 3 if photometric in ('RGB', 'YBR_FULL') else 1
    if ds.SamplesPerPixel == 3: ds.PlanarConfiguration = 0
    ds.PhotometricInterpretation = photometric
    ds.Rows, ds.Columns = H, W
    ds.BitsAllocated, ds.BitsStored = bits, stored or bits
    ds.HighBit, ds.PixelRepresentation = ds.BitsStored - 1, 0
    if frames: ds.NumberOfFrames = frames
    for key, value in more.items(): setattr(ds, key, value)
    ds.PixelData = raw if raw is not None else pixels.tobytes()
    ds['PixelData'].VR = 'OB' if bits == 8 or raw is not None else 'OW'
    ds.is_little_endian, ds.is_implicit_VR = True, syntax == ImplicitVRLittleEndian
    return ds

def save(name, *args, **more):
    ds = make(name, *args, **more)
    ds.save_as(out + name, write_like_original=False)
    return ds

def expect(name, picture):
    if picture.ndim == 2: picture = np.stack([picture] * 3, -1)
    picture.astype(np.uint8).tofile(out + name + '.rgb')

save('rgb.dcm', rgb, 'RGB'); expect('rgb.dcm', rgb)
save('implicit.dcm', rgb, 'RGB', syntax=ImplicitVRLittleEndian); expect('implicit.dcm', rgb)
clip = np.stack([rgb, rgb[::-1], 255 - rgb])
# Named as many DICOM files are: an identifier, without an ending.
save('1.2.840.77', clip, 'RGB', frames=3, cls='1.2.840.10008.5.1.4.1.1.77.1.1.1')
for k in range(3): expect('1.2.840.77#%d' % (k + 1), clip[k])
grey = rgb[..., 0].copy()
save('grey.dcm', grey, 'MONOCHROME2'); expect('grey.dcm', grey)
save('inverse.dcm', grey, 'MONOCHROME1'); expect('inverse.dcm', 255 - grey)
deep = (grey.astype(np.uint16) + 1000)
save('window.dcm', deep, 'MONOCHROME2', bits=16, stored=12, WindowCenter='1128', WindowWidth='256'); expect('window.dcm', grey)
save('nowindow.dcm', deep, 'MONOCHROME2', bits=16, stored=12)
rle = make('rle.dcm', rgb, 'RGB'); rle.compress(RLELossless); rle.save_as(out + 'rle.dcm', write_like_original=False); expect('rle.dcm', rgb)
rle.NumberOfFrames = 200000; rle.save_as(out + 'many.dcm', write_like_original=False)
table = np.arange(256, dtype=np.uint16) * 257
colours = dict(RedPaletteColorLookupTableDescriptor=[256, 0, 16], GreenPaletteColorLookupTableDescriptor=[256, 0, 16],
    BluePaletteColorLookupTableDescriptor=[256, 0, 16], RedPaletteColorLookupTableData=table.tobytes(),
    GreenPaletteColorLookupTableData=table[::-1].tobytes(), BluePaletteColorLookupTableData=table.tobytes())
save('palette.dcm', grey, 'PALETTE COLOR', **colours); expect('palette.dcm', np.stack([grey, 255 - grey, grey], -1))
f = rgb.astype(float)
ybr = np.stack([.299*f[...,0]+.587*f[...,1]+.114*f[...,2], -.1687*f[...,0]-.3313*f[...,1]+.5*f[...,2]+128, .5*f[...,0]-.4187*f[...,1]-.0813*f[...,2]+128], -1)
save('ybr.dcm', np.clip(np.round(ybr), 0, 255).astype(np.uint8), 'YBR_FULL'); expect('ybr.dcm', rgb)
packed = encapsulate([b'\xff\x4f\xff\x51' + b'\0' * 60])
save('j2k.dcm', None, 'RGB', syntax=JPEG2000Lossless, raw=packed)
save('mpeg4.dcm', None, 'RGB', syntax=MPEG4HP41, raw=packed, frames=30)
save('hevc.dcm', None, 'RGB', syntax=HEVCMP51, raw=packed, frames=30)
save('unknown.dcm', None, 'RGB', syntax=UID('1.2.3.4.5'), raw=packed)
save('huge.dcm', rgb, 'RGB', Rows=60000, Columns=60000)
save('short.dcm', rgb[:3], 'RGB')
none = make('report.dcm', rgb, 'RGB')
for key in ('Rows', 'Columns', 'PixelData'): delattr(none, key)
none.save_as(out + 'report.dcm', write_like_original=False)
forged = make('forged.dcm', rgb, 'RGB'); forged.SeriesInstanceUID = 'SECRET^NAME'
forged.save_as(out + 'forged.dcm', write_like_original=False)
"""

let private make (folder: string) =
    Programs.python [ "pydicom"; "numpy" ] script [ folder ] |> ignore
    let at name = Path.Combine(folder, name)

    for program, options, name in
        [
            "dcmcjpeg", [ "+e1" ], "lossless.dcm"
            "dcmcjpeg", [ "+eb"; "+q"; "98" ], "baseline.dcm"
            "dcmcjpls", [], "ls.dcm"
        ] do
        Programs.printed program (options @ [ at "rgb.dcm"; at name ]) |> ignore
        File.Copy(at "rgb.dcm.rgb", at (name + ".rgb"))

/// Made once: Python takes its time to start.
let private made =
    lazy
        (let folder = Directory.CreateTempSubdirectory("mcdrl-dicom-").FullName
         AppDomain.CurrentDomain.ProcessExit.Add(fun _ -> Directory.Delete(folder, true))
         make folder
         folder)

/// All of them in a folder, each with the picture that it shows as `NAME.rgb`; skips the running test where pydicom or DCMTK are absent.
let write (folder: string) =
    Programs.need "dcmdump" "dcmtk"
    Directory.CreateDirectory folder |> ignore

    for file in Directory.GetFiles(made.Force()) do
        File.Copy(file, Path.Combine(folder, nonNull (Path.GetFileName file)))
