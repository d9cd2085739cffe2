"""A metric that counts the images it has seen."""


class CountingMetric:
    main_indicator = "hmean"

    def __init__(self):
        self.images = 0

    def __call__(self, predictions, batch):
        self.images += len(batch[0])

    def get_metric(self):
        return {"hmean": float(self.images)}


def build_metric(config):
    return CountingMetric()
