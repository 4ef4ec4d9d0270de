"""From a stroke program to an arm's motion, and the closed loop that paints it."""
