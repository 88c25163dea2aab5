#!/usr/bin/env bash
# Install the RTSP server that tests/video/test_stream_sources.py reads from: GStreamer's, from Debian's or Ubuntu's
# packages (about 70 MB), with the bindings for the system's Python. Without it those tests are skipped.
# Usage: sudo bash scripts/install_rtsp_server.sh
set -euo pipefail

packages=(
    python3-gi                 # Python's side
    gir1.2-gst-rtsp-server-1.0 # the server
    gstreamer1.0-plugins-base  # the test image
    gstreamer1.0-plugins-good  # JPEG, mp4, RTP
)

command -v apt-get >/dev/null || { echo "apt-get is not here: install GStreamer's RTSP server by hand" >&2; exit 2; }
((EUID == 0)) || { echo "packages are installed by root: sudo bash $0" >&2; exit 2; }
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -qq -y --no-install-recommends "${packages[@]}"
/usr/bin/python3 "${BASH_SOURCE[0]%/*}/../tests/helpers/rtsp_server.py" --check
echo "The RTSP server is installed."
