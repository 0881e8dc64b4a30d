#!/bin/sh
# /usr/local/bin/passbell: the commands as the service user, in the home that the workers use.
exec sudo -u passbell /opt/passbell/bin/passbell --home /var/lib/passbell "$@"
