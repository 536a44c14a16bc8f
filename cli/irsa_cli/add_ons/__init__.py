"""`irsa add-ons`: the add-ons whose policies irsa knows."""
