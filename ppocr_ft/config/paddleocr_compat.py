"""YAMLs that need special treatment: other projects' and tasks', and names of early drafts."""

from __future__ import annotations

from typing import Any

from ppocr_ft.config.faults import error, tagged, warning
from ppocr_ft.config.source_map import Tree
from ppocr_ft.messages import other_projects_file

OTHER_TASKS = {
    "rec": "a text recogniser",
    "cls": "a classifier of text direction",
    "table": "a table recogniser",
    "kie": "key information extraction",
    "e2e": "detection and recognition in one network",
    "sr": "super-resolution of text",
}
OTHER_ALGORITHMS = frozenset(
    ("Distillation", "DB++", "EAST", "SAST", "PSE", "FCE", "CT", "DRRG", "PGNet", "SDMGR")
)
USE_INSTEAD = "start from configs/det_v4_ft.yml"


def refuse_other_tasks(tree: Tree) -> bool:
    """Return whether the YAML isn't for a single DB detector; add one fault that says so."""
    other = other_projects_file(tree.data)
    if other is not None:
        return _refuse(tree, *other)
    architecture = _section(tree.data, "Architecture")
    task, algorithm = architecture.get("model_type"), architecture.get("algorithm")
    if isinstance(task, str) and task in OTHER_TASKS:
        name = f", {algorithm}" if isinstance(algorithm, str) else ""
        message = (
            f"found {task!r}, {OTHER_TASKS[task]}{name}: this project trains text detectors (det); "
            f"{USE_INSTEAD}"
        )
        return _refuse(tree, "Architecture.model_type", message)
    if algorithm == "Distillation":
        message = (
            "found 'Distillation': one detector is trained here, without a teacher; "
            f"{USE_INSTEAD}. A distilled .pdparams can be its Global.pretrained_model"
        )
        return _refuse(tree, "Architecture.algorithm", message)
    if isinstance(algorithm, str) and algorithm in OTHER_ALGORITHMS:
        message = f"found {algorithm!r}: this project trains DB detectors; {USE_INSTEAD}"
        return _refuse(tree, "Architecture.algorithm", message)
    return False


def _refuse(tree: Tree, key: str, message: str) -> bool:
    for fault in tagged("other_task", [error(key, message)]):
        tree.add(fault)
    return True


def translate_draft_names(tree: Tree) -> None:
    """Read the first drafts of PaddleOCR's PP-OCRv4 YAMLs, whose network names it dropped.

    PaddleOCR itself never had networks of these names (its issue #10685).
    """
    architecture = _section(tree.data, "Architecture")
    backbone, head = _section(architecture, "Backbone"), _section(architecture, "Head")
    if backbone.get("name") == "PPLCNetNew":
        _rename(tree, backbone, "Backbone", "PPLCNetV3")
    if backbone.get("name") == "PPHGNet" and backbone.get("scale") == "small":
        del backbone["scale"]
        _rename(tree, backbone, "Backbone", "PPHGNet_small")
    if head.get("name") == "CBNHeadLocal":
        _rename(tree, head, "Head", "PFHeadLocal")


def _rename(tree: Tree, section: dict[str, Any], key: str, name: str) -> None:
    draft, section["name"] = section["name"], name
    message = f"{draft!r} is a draft's name for {name!r} and is read as that"
    for fault in tagged("draft_name", [warning(f"Architecture.{key}.name", message)]):
        tree.add(fault)


def _section(parent: object, name: str) -> dict[str, Any]:
    section = parent.get(name) if isinstance(parent, dict) else None
    return section if isinstance(section, dict) else {}
