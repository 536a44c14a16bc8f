"""What a stack asks before anything is created: what is asked, by whom, and what a failed question says."""
