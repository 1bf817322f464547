"""Recognition with a trained checkpoint: classes of videos, in Python and by the commands predict.py and export.py."""

from video_adapters.recognition.prediction import Prediction
from video_adapters.recognition.recognizer import Recognizer
from video_adapters.recognition.timeline import Timeline
