"""What to do about what a rule found, by the rule's name."""

from __future__ import annotations

_SAME_SCHEDULE = (
    "give MakeBorderMap and MakeShrinkMap the same shrink_ratio, shrink_ratio_end and total_epoch"
)
_ORDER = (
    "put the operators in the order DecodeImage, DetLabelEncode, geometry, MakeBorderMap, "
    "MakeShrinkMap, NormalizeImage, ToCHWImage, KeepKeys"
)
_WITHIN_RUN = "choose a number of epochs within Global.epoch_num"
REMEDIES = {
    "yaml": "correct the file; an editor with YAML support shows the place",
    "override": "write -o Section.key=value with a key that the file can hold",
    "unknown_key": "correct the name, or take the key out",
    "unknown_name": "take one of the known names; others can't be trained here",
    "no_effect": "nothing has to be done; take the key out if it is not needed elsewhere",
    "value": "give a value of the kind that is expected",
    "other_task": "train it with the project that it is for, or start from configs/det_v4_ft.yml",
    "draft_name": "write the name that PaddleOCR's releases have",
    "not_checked": "look at these parts in the project that they are for",
    "total_epoch": (
        "train here, where the ramp is the true epoch's: total_epoch as long as epoch_num, or "
        "shrink_ratio_end alone. With PaddleOCR delete total_epoch from both map operators (the "
        "ratio is then constant), or call ppocr_ft.upstream.install(); docs/upstream.md"
    ),
    "required_operators": "add or remove the operator that the message names",
    "fixed_size": "add EastRandomCropData or ScaledCrop before MakeBorderMap",
    "operator_order": _ORDER,
    "map_order": "put MakeBorderMap before MakeShrinkMap",
    "normalize_layout": "set NormalizeImage's order: hwc before ToCHWImage, chw after it",
    "shrink_pair": _SAME_SCHEDULE,
    "shrink_end": "lower shrink_ratio, or set shrink_ratio_end",
    "ramp_length": "set total_epoch to Global.epoch_num, or leave it out and set shrink_ratio_end",
    "kept_keys": "add the missing names to keep_keys",
    "ratio_list_length": "give ratio_list one share for each label file, or one number for all",
    "optimizer_keys": "take the key out, or choose the optimizer or schedule that it belongs to",
    "optimizer_conflicts": "keep one of the keys",
    "schedule_values": "correct the values",
    "milestones": "give milestones in epochs of the run, ascending",
    "warmup_keys": "shorten the warm-up, or take its keys out",
    "batch_scaling": "give scale_lr and base_batch_size together, or neither",
    "param_groups": "write freeze: true, or fewer freeze_epochs",
    "usual_rates": (
        "measure: python tools/find_lr.py -c FILE. A rate for 8 cards of 8 images is too high for "
        "one card of a few"
    ),
    "eval_resize": (
        "evaluate as you will deploy: limit_side_len: 960, limit_type: max in Eval, or "
        "--det_limit_side_len and --det_limit_type at inference as in Eval"
    ),
    "crop_scale": "give ScaledCrop Eval's limit_side_len and limit_type",
    "preprocessing": "give both pipelines the same values",
    "color_order": "set img_mode: BGR in Train and in Eval",
    "save_interval": "lower Global.save_epoch_step",
    "evaluation_epochs": _WITHIN_RUN,
    "batch_statistics": "set Global.freeze_bn_stats: true, or raise the batch",
    "schedule_length": _WITHIN_RUN,
    "batch_size": "lower Train.loader.batch_size_per_card, or set drop_last: false",
    "evaluation_interval": "set Global.eval_batch_epoch: 1, or a smaller eval_batch_step",
    "warmup_length": "give fewer warmup_steps, or warmup_epoch",
    "unclip_ratio": (
        "set PostProcess.unclip_ratio, and the inference's (--det_db_unclip_ratio), to that; after "
        "training python tools/fit_postprocess.py finds the network's own"
    ),
    "small_texts": "evaluate and crop larger, or lower MakeShrinkMap's min_text_size",
    "labels": "name label files that are there, in PaddleOCR's format: path, delimiter, JSON",
    "weights": (
        "name weights of this network: released, PaddleOCR's .pdparams of the same YAML, or null "
        "for random ones"
    ),
    "fix": "give --fix a folder that can be written to",
    "samples": "put the data set right first",
    "pictures": "set Global.save_model_dir to a folder that can be written to",
    "text_scale": "crop with ScaledCrop, which has text as large as evaluation sees it",
}
