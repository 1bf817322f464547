"""Projects of the VGG Image Annotator, version 3."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from video_adapters.commands.wording import did_you_mean
from video_adapters.data.annotations.files import load_json
from video_adapters.data.annotations.seconds import as_seconds
from video_adapters.data.annotations.tool_export import Mark, ToolExport
from video_adapters.data.annotations.videos import END

PARTS = ("attribute", "file", "view", "metadata")  # of a project that are read
TEMPORAL, WHOLE = "FILE1_Z2_XY0", "FILE1_Z0_XY0"  # anchors of attributes: a stretch of a file, and all of it
VIDEO, CHECKBOX = 4, 2  # types of a file and of an attribute
ELSEWHERE = (2, 3)  # places of a file that its `src` names: a URL, and a path on the machine; else its name does


@dataclass(eq=False)
class Via(ToolExport):
    """A project file of VIA 3 (Dutta and Zisserman 2019), JSON: stretches of videos in seconds, and whole videos.

    An attribute's value is the class: the text of an option, or free text. Images, sounds and regions are left out.
    """

    file: str = "via_project.json"
    attribute: str | None = None  # whose values are the classes; None: the one that is used

    form = "a project of VIA 3"

    def marks(self, file: str) -> Iterator[Mark]:
        project = load_json(file)
        if isinstance(project, dict) and any(key.startswith("_via_") for key in project):
            raise ValueError(f"{file} is a project of VIA 2, which labels images: stretches of videos are of VIA 3")
        if not isinstance(project, dict) or any(not isinstance(project.get(part), dict) for part in PARTS):
            raise ValueError(f"{file} is no project of VIA 3, whose JSON has {', '.join(PARTS)}: save the project")
        yield from self._marks(project, file)

    def _marks(self, project: Mapping[str, Any], file: str) -> Iterator[Mark]:
        attributes = self._attributes(project, file)
        names, seen = dict[str, str](), set[str]()
        for view, content in project["view"].items():
            entry = project["file"][str(content["fid_list"][0])]
            if int(entry["type"]) == VIDEO:
                names[view] = _name(entry, project)
        for one in project["metadata"].values():
            where, values = list(one["z"]), one["av"]
            if one["vid"] not in names or one["xy"] or len(where) not in (0, 2):
                continue
            anchor = TEMPORAL if where else WHOLE
            labels = [label for key, value in values.items() for label in _labels(attributes.get(key), anchor, value)]
            seen.add(one["vid"])
            start, stop = map(as_seconds, where) if where else (0, END)
            yield Mark(names[one["vid"]], tuple(labels), start, stop, bool(where))
        yield from (Mark(name) for view, name in names.items() if view not in seen)

    def _attributes(self, project: Mapping[str, Any], file: str) -> dict[str, Mapping[str, Any]]:
        """The attributes that give classes, by their numbers."""
        used = {
            key for one in project["metadata"].values() if not one["xy"] for key, value in one["av"].items() if value
        }
        known = {
            key: attribute
            for key, attribute in project["attribute"].items()
            if attribute["anchor_id"] in (TEMPORAL, WHOLE) and (key in used or attribute["aname"] == self.attribute)
        }
        names = sorted({attribute["aname"] for attribute in known.values()})
        if self.attribute is not None:
            if self.attribute not in names:
                near = did_you_mean(self.attribute, names)
                raise ValueError(f"{file} has no attribute '{self.attribute}' of videos{near}, but: {', '.join(names)}")
            return {key: one for key, one in known.items() if one["aname"] == self.attribute}
        if len(names) > 1 and self.labels == "one":
            raise ValueError(
                f"{file} labels videos with {', '.join(names)}: data.annotations.attribute=NAME says which are the "
                "classes, or data.labels=multi takes all"
            )
        return known


def _labels(attribute: Mapping[str, Any] | None, anchor: str, value: Any) -> list[str]:
    """The classes that an attribute's value stands for."""
    if attribute is None or attribute["anchor_id"] != anchor or value in (None, ""):
        return []
    values = str(value).split(",") if attribute["type"] == CHECKBOX else [str(value)]
    return [str(attribute["options"].get(one, one)) for one in values]


def _name(entry: Mapping[str, Any], project: Mapping[str, Any]) -> str:
    place = entry.get("loc")
    if place in ELSEWHERE and entry.get("src"):
        prefix = project.get("config", {}).get("file", {}).get("loc_prefix", {}).get(str(place), "")
        return f"{prefix}{entry['src']}"
    return str(entry["fname"])
