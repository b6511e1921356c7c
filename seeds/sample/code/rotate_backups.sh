#!/usr/bin/env bash
# SPDX-License-Identifier: CC0-1.0
#
# Packs a folder into a dated archive and keeps only the newest archives.
#
# Usage: rotate_backups.sh FOLDER BACKUP_FOLDER [KEEP]
#   KEEP is the number of archives that stay (default 7).

# Stop at the first error, at the use of an unset variable, and when any part of a pipe fails.
set -euo pipefail

fail() {
    echo "rotate_backups: $*" >&2
    exit 1
}

usage() {
    echo "usage: ${0##*/} FOLDER BACKUP_FOLDER [KEEP]" >&2
    exit 2
}

# Prints the archives of one folder, the oldest first. The names sort by date because the date is written
# as year, month, day.
list_archives() {
    local backups=$1 name=$2
    find "$backups" -maxdepth 1 -type f -name "$name-[0-9]*.tar.gz" | sort
}

# Writes to a temporary name first, so that an interrupted run never leaves half an archive behind.
make_archive() {
    local folder=$1 archive=$2
    local unfinished="$archive.part"
    if tar -czf "$unfinished" -C "$(dirname "$folder")" "$(basename "$folder")"; then
        mv "$unfinished" "$archive"
    else
        rm -f "$unfinished"
        fail "the archive could not be written"
    fi
}

remove_old() {
    local backups=$1 name=$2 keep=$3
    local archives=()
    mapfile -t archives < <(list_archives "$backups" "$name")
    local surplus=$((${#archives[@]} - keep))
    for ((i = 0; i < surplus; i++)); do
        rm -- "${archives[i]}"
        echo "removed ${archives[i]##*/}"
    done
}

main() {
    [[ $# -eq 2 || $# -eq 3 ]] || usage
    local folder=${1%/} backups=$2 keep=${3:-7}
    [[ -d $folder ]] || fail "$folder is not a folder"
    [[ $keep =~ ^[1-9][0-9]*$ ]] || fail "KEEP must be a positive number, not '$keep'"
    mkdir -p "$backups"

    local name archive
    name=$(basename "$folder")
    archive="$backups/$name-$(date +%Y%m%d-%H%M%S).tar.gz"
    [[ ! -e $archive ]] || fail "$archive exists already"
    make_archive "$folder" "$archive"
    echo "wrote ${archive##*/}"
    remove_old "$backups" "$name" "$keep"
}

main "$@"
