"""The one place of the package's metadata, read by pip and by colcon (ament_python) alike."""

from glob import glob

from setuptools import find_packages, setup

NAME = "spiral_painter"

setup(
    name=NAME,
    version="0.1.0",
    description="A robot arm paints what a learned SPIRAL agent decides, and looks at the paper as it goes",
    author="the spiral_painter authors",
    maintainer="the spiral_painter maintainers",
    maintainer_email="spiral_painter@example.org",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=find_packages(
        include=[f"{house}{part}" for house in ("sim", "planner", "calibration", "robot_bridge") for part in ("", ".*")]
    ),
    package_data={
        "planner": ["weights/*", "weights/classifier/*"],
        "robot_bridge": ["robots/*.yaml", "robots/*.urdf"],
    },
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
        (f"share/{NAME}/launch", glob("launch/*.py")),
        (f"share/{NAME}/config", glob("config/*")),
    ],
    zip_safe=False,
    install_requires=[
        "numba>=0.60",
        "numpy>=1.26",
        "opencv-python-headless>=4.7,<5",
        "pin>=3",
        "pyyaml>=6",
        "ruckig>=0.14",
        "safetensors>=0.4",
        "scipy>=1.11",
        "torch>=2.4",
        "tqdm>=4.66",
        "tyro>=0.9",
    ],
    extras_require={
        "sim": ["pybullet>=3.2.6"],
        "train": ["gymnasium>=1.1", "tensorboard>=2.16"],
        "cluster": ["ray[tune]>=2.40"],
        # Only where no /opt/ros is sourced: there rclpy and the messages come from apt.
        "ros": [
            "ros-jazzy-rclpy",
            "ros-jazzy-rmw-fastrtps-cpp",
            "ros-jazzy-std-msgs",
            "ros-jazzy-sensor-msgs",
            "ros-jazzy-geometry-msgs",
            "ros-jazzy-trajectory-msgs",
            "ros-jazzy-std-srvs",
        ],
        "dev": [
            "hypothesis>=6.100",
            "mypy>=1.10",
            "pillow>=10",
            "pytest>=8",
            "ruff>=0.6",
            "types-PyYAML",
            "types-tqdm",
        ],
    },
    entry_points={
        "console_scripts": [
            "spiral-paint = robot_bridge.paint:main",
            "spiral-train = planner.train:main",
            "spiral-evaluate = planner.evaluate:main",
            "spiral-data = planner.data:main",
        ]
    },
    classifiers=[
        "License :: OSI Approved :: Apache Software License",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3.11",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
)
