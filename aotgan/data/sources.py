"""What each named set is: source, licence, citation and the layout expected on disk."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """One set of the catalogue."""

    name: str
    folder: str  # below the root
    layout: str  # how its files and split are found
    expected: str  # the layout in words
    source: str
    licence: str
    citation: str
    stands_for: str = ""  # the paper's set that a smaller one stands in for
    extends: str = ""  # the set whose splits these are, with more photographs to train on
    left_out: tuple[str, ...] = ()  # of these: copies, in other sizes, of photographs to test on


_ENTRIES = (
    Entry(
        name="bundled",
        folder="",
        layout="listed",
        expected="the photographs that scikit-image and scikit-learn install (11 to train on, "
        "astronaut, chelsea, coffee and china to test on)",
        source="pip install scikit-image>=0.25 scikit-learn>=1.5 (skimage/data, "
        "sklearn/datasets/images)",
        licence="public domain or CC0 as stated in skimage.data (motorcycle: Middlebury stereo "
        "2014, for research); china and flower: CC BY 2.0, Dan Buechele and vultilion on Flickr",
        citation="van der Walt et al., scikit-image, PeerJ 2014; Pedregosa et al., scikit-learn, "
        "JMLR 2011; Scharstein et al., GCPR 2014 (motorcycle)",
    ),
    Entry(
        name="celeba-hq",
        folder="celeba-hq",
        layout="numbered",
        expected="images numbered 0 to 29999 in any sub-folder (CelebA-HQ-img/0.jpg ...); below "
        "28000 is for training, the last 2,000 for testing, as in section 4.1 (which 2,000 the "
        "paper does not say)",
        source="https://github.com/switchablenorms/CelebAMask-HQ (CelebA-HQ-img), or "
        "https://github.com/tkarras/progressive_growing_of_gans",
        licence="non-commercial research and education only",
        citation="Karras et al., Progressive growing of GANs, ICLR 2018; Lee et al., MaskGAN, "
        "CVPR 2020",
    ),
    Entry(
        name="places2",
        folder="places2",
        layout="places365",
        expected="the layout of torchvision.datasets.Places365: data_large_standard or "
        "data_256_standard to train on, val_large or val_256 (36,500 images) to test on",
        source="http://places2.csail.mit.edu/download.html, or "
        "torchvision.datasets.Places365(root, split, download=True)",
        licence="images for non-commercial research and education only",
        citation="Zhou et al., Places: a 10 million image database for scene recognition, TPAMI "
        "2018",
    ),
    Entry(
        name="imagenet",
        folder="imagenet",
        layout="imagefolder",
        expected="the layout of torchvision.datasets.ImageNet: train/<class>/*.JPEG and "
        "val/<class>/*.JPEG",
        source="https://image-net.org/download.php (registration), unpacked by "
        "torchvision.datasets.ImageNet(root, split)",
        licence="non-commercial research and education only",
        citation="Russakovsky et al., ImageNet large scale visual recognition challenge, IJCV 2015",
    ),
    Entry(
        name="openlogo",
        folder="openlogo",
        layout="openlogo",
        expected="JPEGImages/*.jpg, Annotations/*.xml and the two lists of file stems "
        "ImageSets/train.txt and ImageSets/val.txt (15,975 and 2,777 in section 4.1; copy the "
        "lists of the split that you use there)",
        source="https://hangsu0730.github.io/qmul-openlogo/",
        licence="research only; pictures belong to their owners",
        citation="Su, Zhu and Gong, Open logo detection challenge, BMVC 2018",
    ),
    Entry(
        name="faces",
        folder="faces",
        layout="listed",
        expected="5,569 aligned CelebA photographs of 178 x 218 px, original bytes, under their "
        "CelebA numbers (*.jpg)",
        source="github.com/JiahuiYu/generative_inpainting at commit "
        "0a60b8944eaa547df6ceafe65656bb69aa7fb078 (2018-08-02, kept by refs/pull/124/head), "
        "training_data/{training,validation}/celebsa/*.jpg",
        licence="CelebA: non-commercial research only, no redistribution; the repository's code: "
        "CC BY-NC 4.0",
        citation="Liu et al., Deep learning face attributes in the wild, ICCV 2015",
        stands_for="celeba-hq",
    ),
    Entry(
        name="scenes",
        folder="scenes",
        layout="listed",
        expected="3,905 scene photographs of 200 to 256 px on the short side (*.jpg; Lanczos, "
        "aspect over 2 cropped to 2, JPEG quality 90 or original bytes)",
        source="Places2 natural scenes: github.com/Jackieqfh143/inpainting_baseline at "
        "2de651031f95857efc1e923a11e1e437ceb9b6ca; SUN: "
        "github.com/Yorkbenno/Spatial-Pyramid-Matching-for-Scene-Classification at "
        "5e02c8265b67c3b43e2775c8a0cb7d1a698b8d6e, "
        "github.com/akshay993/Spatial-Pyramid-Matching-for-Scene-Classification at "
        "1460e62af703fb3e3e574ef5a97492d17882456d, "
        "github.com/jw995/Computer-Vision__Scene-classification-system-using-bag-of-words at "
        "be41144f2c03c9f2e018c629d7adb578a67adfff, github.com/nhantd/CMU16720-Scene-Classification "
        "at de3679b1be3e3a0dd77e2170410f54b230adfc78; houses: "
        "github.com/emanhamed/Houses-dataset at 5e148219500558089cf5cf121b626b17fdde9b92",
        licence="non-commercial research and education only; copyright with the photographers",
        citation="Zhou et al., Places, TPAMI 2018; Xiao et al., SUN database, CVPR 2010; Ahmed and "
        "Moustafa, House price estimation from visual and textual features, 2016",
        stands_for="places2",
    ),
    Entry(
        name="scenes-more",
        folder="scenes_more",
        layout="extended",
        expected="2,309 further scene photographs of 200 px on the short side (*.jpg; Lanczos, "
        "aspect over 2 cropped to 2, JPEG quality 86), to train on beside those of scenes, which "
        "must lie in the folder scenes next to it and gives the test split; two photographs that "
        "are in that split as well are left out",
        source="SUN: github.com/Yorkbenno/Spatial-Pyramid-Matching-for-Scene-Classification at "
        "5e02c8265b67c3b43e2775c8a0cb7d1a698b8d6e, "
        "github.com/akshay993/Spatial-Pyramid-Matching-for-Scene-Classification at "
        "1460e62af703fb3e3e574ef5a97492d17882456d, "
        "github.com/jw995/Computer-Vision__Scene-classification-system-using-bag-of-words at "
        "be41144f2c03c9f2e018c629d7adb578a67adfff, github.com/nhantd/CMU16720-Scene-Classification "
        "at de3679b1be3e3a0dd77e2170410f54b230adfc78: all that scenes left there, without near "
        "duplicates",
        licence="non-commercial research and education only; copyright with the photographers",
        citation="Xiao et al., SUN database, CVPR 2010; and that of scenes",
        stands_for="places2",
        extends="scenes",
        left_out=("sun_mountain_adbtakwewxdagnxp.jpg", "more_desert_90f02db9.jpg"),
    ),
    Entry(
        name="logos",
        folder="logos",
        layout="listed",
        expected="images/*.jpg (369 photographs with logos) and annotations.csv (file,x,y,w,h,"
        "label in px)",
        source="github.com/satojkovic/DeepLogo at commit "
        "c03f8cb08a51491657c3dbf52befb52f7bb49d87 (2018-05-30), flickr_logos_27_dataset/",
        licence="free for research; pictures belong to Flickr users",
        citation="Kalantidis et al., Scalable triangulation-based logo recognition, ICMR 2011",
        stands_for="openlogo",
    ),
    Entry(
        name="imagenet-sample",
        folder="imagenet",
        layout="listed",
        expected="490 ImageNet photographs, one a class, short side about 256 px (*.jpg; Lanczos, "
        "JPEG quality 90)",
        source="github.com/EliSchwartz/imagenet-sample-images at commit "
        "bc69043e2862758a1906c6a24a792bb28c6bb2ff, *.JPEG",
        licence="non-commercial research and education only; the repository states none",
        citation="Russakovsky et al., ImageNet large scale visual recognition challenge, IJCV 2015",
        stands_for="imagenet",
    ),
    Entry(
        name="masks",
        folder="masks",
        layout="listed",
        expected="803 irregular masks of 27-60 % hole, 1-bit PNG, white = hole",
        source="github.com/Jackieqfh143/inpainting_baseline at "
        "2de651031f95857efc1e923a11e1e437ceb9b6ca (758), github.com/liuqk3/PUT at "
        "30df86e76dd9c2c1c69986ed1ff4ff6b50fedc3c (30, inverted), github.com/knazeri/edge-connect "
        "at 3142579785c5c8cc92ad655616d40f4f52fc7ec1 (15)",
        licence="research only: CC BY-NC-SA 4.0 (partialconv), CC BY-NC 4.0 (edge-connect), MIT "
        "(PUT)",
        citation="Liu et al., Image inpainting for irregular holes using partial convolutions, "
        "ECCV 2018",
        stands_for="the masks of Liu et al.",
    ),
)

CATALOGUE = {entry.name: entry for entry in _ENTRIES}
