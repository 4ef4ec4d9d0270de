"""The simulated world: strokes, brush, canvas, PyBullet. Imports nothing, so that each part is loaded alone."""
