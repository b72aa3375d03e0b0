#!/bin/sh
# anvil, which waits with its start until a test has made a file.
until [ -e "$ANVIL_MAY_START" ]; do sleep 0.1; done
exec "$ANVIL_ITSELF" "$@"
