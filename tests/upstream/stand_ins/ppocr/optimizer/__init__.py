"""Adam at a constant rate."""

import paddle


def build_optimizer(config, epochs, step_each_epoch, model):
    rate = config["learning_rate"]
    return paddle.optimizer.Adam(rate, parameters=model.parameters()), rate
