package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Commands run by exec are real, but confined: own mount, process, network, host name and
// IPC namespaces, a root directory of the container with the machine's /usr read-only below
// it, and an unprivileged user (or, without root, a user namespace).
const sandboxUser = 1000

func isolation(mode string) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if mode == "host" {
		return attr
	}
	attr.Cloneflags = unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC
	if os.Geteuid() != 0 {
		attr.Cloneflags |= unix.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	return attr
}

// sandboxMain is the child: MODE ROOT HOSTNAME DIR COMMAND...; file 3 takes a report of failure.
func sandboxMain(args []string) {
	unix.CloseOnExec(3)
	if err := enterAndExec(args[0], args[1], args[2], args[3], args[4:]); err != nil {
		os.NewFile(3, "report").WriteString(err.Error())
		os.Exit(127)
	}
}

func enterAndExec(mode, root, hostname, dir string, command []string) error {
	if mode == "host" {
		if err := os.Chdir(filepath.Join(root, "tmp")); err != nil {
			return err
		}
	} else {
		// With real root the command gets an ordinary user; in a user namespace it already is one outside.
		privileged := !inUserNamespace()
		if err := enter(root, hostname, dir); err != nil {
			return err
		}
		if privileged {
			if err := unix.Setgroups(nil); err != nil {
				return err
			}
			if err := syscall.Setgid(sandboxUser); err != nil {
				return err
			}
			if err := syscall.Setuid(sandboxUser); err != nil {
				return err
			}
		}
	}
	file, err := exec.LookPath(command[0])
	if err != nil {
		return fmt.Errorf("exec: %q: executable file not found in $PATH", command[0])
	}
	if err := syscall.Exec(file, command, os.Environ()); err != nil {
		return fmt.Errorf("exec %q: %w", command[0], err)
	}
	return nil
}

// A mapping of a single id tells a user namespace from the machine's own.
func inUserNamespace() bool {
	b, err := os.ReadFile("/proc/self/uid_map")
	var inside, outside, size int
	if err == nil {
		fmt.Sscan(string(b), &inside, &outside, &size)
	}
	return size == 1
}

func enter(root, hostname, dir string) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := bindReadOnly("/usr", filepath.Join(root, "usr")); err != nil {
		return err
	}
	for _, d := range []string{"bin", "sbin", "lib", "lib32", "lib64"} {
		target := filepath.Join(root, d)
		if link, err := os.Readlink("/" + d); err == nil {
			os.Remove(target)
			if err := os.Symlink(link, target); err != nil {
				return err
			}
		} else if _, err := os.Stat("/" + d); err == nil {
			os.MkdirAll(target, 0o755)
			if err := bindReadOnly("/"+d, target); err != nil {
				return err
			}
		}
	}
	if _, err := os.Stat("/etc/alternatives"); err == nil {
		target := filepath.Join(root, "etc/alternatives")
		os.MkdirAll(target, 0o755)
		if err := bindReadOnly("/etc/alternatives", target); err != nil {
			return err
		}
	}
	for _, d := range []string{"null", "zero", "full", "random", "urandom", "tty"} {
		target := filepath.Join(root, "dev", d)
		if f, err := os.OpenFile(target, os.O_CREATE, 0o666); err == nil {
			f.Close()
		}
		if err := unix.Mount("/dev/"+d, target, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("bind /dev/%s: %w", d, err)
		}
	}
	// A terminal is known inside under the name it has outside.
	if name, err := os.Readlink("/proc/self/fd/0"); err == nil && strings.HasPrefix(name, "/dev/pts/") {
		target := filepath.Join(root, name)
		os.MkdirAll(filepath.Dir(target), 0o755)
		if f, err := os.OpenFile(target, os.O_CREATE, 0o666); err == nil {
			f.Close()
		}
		if err := unix.Mount(name, target, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("bind %s: %w", name, err)
		}
		os.Chown(target, sandboxUser, sandboxUser)
	}
	if err := unix.Mount("proc", filepath.Join(root, "proc"), "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	if err := unix.Sethostname([]byte(hostname)); err != nil {
		return err
	}
	if err := unix.Chroot(root); err != nil {
		return err
	}
	if err := os.Chdir(dir); err != nil {
		return os.Chdir("/")
	}
	return nil
}

func bindReadOnly(source, target string) error {
	if err := unix.Mount(source, target, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("bind %s: %w", source, err)
	}
	// In a user namespace the flags that the source mount carries must be repeated.
	var st unix.Statfs_t
	flags := uintptr(unix.MS_BIND | unix.MS_REMOUNT | unix.MS_RDONLY)
	if unix.Statfs(target, &st) == nil {
		for have, want := range map[int64]uintptr{unix.ST_NOSUID: unix.MS_NOSUID, unix.ST_NODEV: unix.MS_NODEV, unix.ST_NOEXEC: unix.MS_NOEXEC, unix.ST_RELATIME: unix.MS_RELATIME, unix.ST_NOATIME: unix.MS_NOATIME} {
			if int64(st.Flags)&have != 0 {
				flags |= want
			}
		}
	}
	if err := unix.Mount("", target, "", flags, ""); err != nil {
		return fmt.Errorf("make %s read-only: %w", target, err)
	}
	return nil
}
