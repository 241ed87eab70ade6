#!/bin/bash
# In the guest: the permission hooks of overlayfs on our helpers.
. /run/bf/guest.sh
fresh rust_overlay
part hooks timeout -k 5 "${BF_LIMIT:-600}" /run/bf/hooks_test
part unload unload
