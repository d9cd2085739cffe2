"""Where a run begins."""


def load_model(config, model, optimizer=None, model_type="det"):
    return {"start_epoch": config["Global"]["start_epoch"]}
