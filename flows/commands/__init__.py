"""The commands of `imagemill`, in a file each kind; what needs no server imports none."""
