"""Where the canvas is, what the camera sees and what the brush does."""
