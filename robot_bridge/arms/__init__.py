"""One file a kind of arm; `arm.py` is the contract that all of them keep."""
