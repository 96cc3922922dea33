"""A full disk: no trial is assigned, acknowledged reports are kept, and the study continues when there is room.
Needs root to mount a small tmpfs."""
import os
import resource
import subprocess

from harness import Skip, check_complete, main, processes_of, query, reports, wait_for


class SmallDisk:
    def __init__(self, t, kilobytes):
        self.path = t.folder / "disk"
        self.path.mkdir()
        if os.geteuid() != 0:
            raise Skip("only root can mount a small disk")
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%dk" % kilobytes, "tmpfs", self.path],
                              capture_output=True)
        if done.returncode != 0:
            raise Skip("no tmpfs can be mounted here: %s" % done.stderr.decode().strip())

    def __enter__(self):
        return self.path

    def __exit__(self, *_):
        subprocess.run(["umount", "-l", self.path], check=True)


def test_a_study_waits_for_room_and_loses_no_report(t):
    with SmallDisk(t, 40960) as disk:
        run = disk / "run"
        process = t.start("run", t.study(tokens=400000, report_every=2000), "--dir", run)
        wait_for(lambda: len(reports(run)) >= 6, "reports")
        filler = disk / "filler"
        try:
            with open(filler, "wb") as file:
                while True:
                    file.write(b"x" * 4096)
                    file.flush()
        except OSError:
            pass
        wait_for(lambda: "room on that disk" in process.err.read_text() or process.poll() is not None,
                 "the message about the full disk", 120)
        assert process.poll() is None, process.err.read_text()
        before = reports(run)
        filler.unlink()
        t.finish(process, 0)
        assert before.items() <= reports(run).items()
        check_complete(t, run, 4)
        steps = query(run, "SELECT count(*) FROM report WHERE trial = 0")
        assert steps[0][0] >= 200, steps


def test_a_limit_on_file_sizes_is_a_full_disk(t):
    """The ledger reaches RLIMIT_FSIZE: SIGXFSZ would end the controller. The limit is raised from outside."""
    small = (192 << 10, resource.RLIM_INFINITY)
    process = t.start("run", t.study(tokens=400000, report_every=2000), "--dir", t.directory(),
                      preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, small))
    wait_for(lambda: "ulimit -f" in process.err.read_text() or process.poll() is not None,
             "the message about the limit", 120)
    assert process.poll() is None, process.err.read_text()
    before = reports(t.directory())
    for pid in processes_of(t.folder):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    t.finish(process, 0)
    assert before.items() <= reports(t.directory()).items()
    check_complete(t, t.directory(), 4)


def test_a_full_disk_at_the_start_is_an_error(t):
    with SmallDisk(t, 16) as disk:
        process = t.start("run", t.study(), "--dir", disk / "run")
        assert t.finish(process) in (1, 2)
        assert "room on that disk" in process.err.read_text(), process.err.read_text()


if __name__ == "__main__":
    main(globals())
