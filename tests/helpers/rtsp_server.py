"""RTSP server on the loopback interface, for the system's Python with GStreamer from Debian's packages.

    python3 rtsp_server.py --check               exit code 0 if all requirements are installed
    python3 rtsp_server.py PORT VIDEO.mp4        prints its port and serves; PORT 0 selects a free one

rtsp://127.0.0.1:PORT/live is an endless test image of 64 x 48 pixels, 25 frames a second, MJPEG;
rtsp://127.0.0.1:PORT/film is VIDEO.mp4 (H.264), once, in real time.
"""

import sys

ELEMENTS = ("videotestsrc", "jpegenc", "rtpjpegpay", "filesrc", "qtdemux", "rtph264pay", "rtpbin")
LIVE = (
    "( videotestsrc is-live=true pattern=ball ! video/x-raw,format=I420,width=64,height=48,framerate=25/1"
    " ! jpegenc ! rtpjpegpay name=pay0 pt=26 )"
)
FILM = "( filesrc location={} ! qtdemux ! rtph264pay name=pay0 pt=96 config-interval=-1 )"


def load() -> tuple:
    """Return GStreamer's modules; SystemExit with the missing ones."""
    try:
        import gi

        gi.require_version("Gst", "1.0")
        gi.require_version("GstRtspServer", "1.0")
        from gi.repository import GLib, Gst, GstRtspServer
    except (ImportError, ValueError) as error:
        sys.exit(str(error))
    Gst.init(None)
    missing = [name for name in ELEMENTS if not Gst.ElementFactory.find(name)]
    if missing:
        sys.exit(f"GStreamer has no {', '.join(missing)}")
    return GLib, GstRtspServer


def serve(port: str, video: str) -> None:
    """Serve until the process ends."""
    loop, rtsp = load()
    server = rtsp.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    for path, pipeline in (("/live", LIVE), ("/film", FILM.format(video))):
        factory = rtsp.RTSPMediaFactory()
        factory.set_launch(pipeline)
        server.get_mount_points().add_factory(path, factory)
    if not server.attach(None):
        sys.exit(f"port {port} is taken")
    print(server.get_bound_port(), flush=True)
    loop.MainLoop().run()


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        load()
    else:
        serve(*sys.argv[1:])
