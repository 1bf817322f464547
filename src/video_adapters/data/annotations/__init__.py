"""Each data set's own label files to one list of videos."""

from video_adapters.data.annotations.annotations import Annotations
from video_adapters.data.annotations.class_folders import ClassFolders
from video_adapters.data.annotations.createml import CreateML
from video_adapters.data.annotations.cvat import Cvat
from video_adapters.data.annotations.diving48 import Diving48
from video_adapters.data.annotations.kinetics import Kinetics
from video_adapters.data.annotations.label_studio import LabelStudio
from video_adapters.data.annotations.ssv2 import SomethingSomethingV2
from video_adapters.data.annotations.ucf_hmdb import Hmdb51, Ucf101
from video_adapters.data.annotations.via import Via
from video_adapters.data.annotations.video_list import VideoList
from video_adapters.data.annotations.video_table import VideoTable
from video_adapters.data.annotations.videos import END, UNLABELLED, Video, Videos
