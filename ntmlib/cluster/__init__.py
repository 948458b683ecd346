"""Other computers: run processes of ours on a cluster. Nothing here imports Ray unless somebody connects to one."""
