#!/bin/sh
# Installs the NTM workbook from this folder; needs no network. Options go to install.py, such as --to FOLDER.
here=$(dirname "$0")
for python in ${PYTHON:-python3.11 python3.12 python3.13 python3.14 python3 python}; do
    if "$python" "$here/install.py" --fits >/dev/null 2>&1; then
        exec "$python" "$here/install.py" "$@"
    fi
done
# None fits: let one of them say why.
for python in ${PYTHON:-python3 python}; do
    if "$python" -c "" 2>/dev/null; then
        exec "$python" "$here/install.py" "$@"
    fi
done
echo "install: there is no Python on this computer; START-HERE.txt says which one to install" >&2
exit 1
