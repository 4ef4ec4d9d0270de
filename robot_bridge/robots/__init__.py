"""One YAML file and one URDF an arm; `robot.py` loads them."""
