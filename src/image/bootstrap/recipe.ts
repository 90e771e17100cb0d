import type { Distribution } from "./distribution.ts";

/**
 * What the systems that `image bootstrap` makes consist of: a small machine that one can live in, which boots quickly
 * also under software emulation. Count `recipeVersion` up with every change here.
 */
export const recipeVersion = 1;

/** Beside the essential packages and apt, with what they depend on; recommended packages are left out. */
export const packages: readonly string[] = [
  "systemd-sysv", // its init
  "dbus", // systemctl for users, hostnamectl, ...
  "passwd", // useradd
  "tzdata",
  "netbase", // names of protocols and ports
  "iproute2",
  "iputils-ping",
  "ca-certificates", // 400 kB, and nothing on https works without
  "procps", // ps, top, free
  "less",
];

/** Half of the disk would be these. What is installed later in a VM has them. */
export const leftOut: readonly string[] = [
  "path-exclude=/usr/share/locale/*",
  "path-include=/usr/share/locale/locale.alias",
  "path-exclude=/usr/share/man/*",
  "path-exclude=/usr/share/info/*",
  "path-exclude=/usr/share/doc/*",
  "path-include=/usr/share/doc/*/copyright",
];

/**
 * Units without a use in a VM that is entered through its agent. Each costs up to a second under emulation, or wakes
 * the machine up later. Any of them comes back with `systemctl unmask`.
 */
export const masked: readonly string[] = [
  // The console is a log: nobody can log in there.
  "getty.target",
  "console-getty.service",
  "getty@tty1.service",
  "systemd-ask-password-console.path",
  "systemd-ask-password-wall.path",
  // Downloads and upgrades behind the user's back, each time a VM is started.
  "apt-daily.timer",
  "apt-daily-upgrade.timer",
  // For machines with firmware, crashes to keep, records of who was logged in, hardware keys.
  "systemd-pstore.service",
  "systemd-boot-system-token.service",
  "systemd-update-utmp.service",
  "systemd-update-utmp-runlevel.service",
  "modprobe@.service",
  "kmod-static-nodes.service",
  "systemd-modules-load.service", // the image has no modules
  "systemd-random-seed.service", // forks would share the seed
  // Mounted when somebody needs them, by hand: mount -t debugfs none /sys/kernel/debug
  "dev-hugepages.mount",
  "dev-mqueue.mount",
  "sys-kernel-debug.mount",
  "sys-kernel-tracing.mount",
  "sys-kernel-config.mount",
  "sys-fs-fuse-connections.mount",
  "proc-sys-fs-binfmt_misc.automount",
];

/** Run at every start, one process each, to find out that there is nothing to do. */
export const maskedGenerators: readonly string[] = [
  "systemd-getty-generator",
  "systemd-gpt-auto-generator",
  "systemd-hibernate-resume-generator",
  "systemd-cryptsetup-generator",
  "systemd-veritysetup-generator",
  "systemd-integritysetup-generator",
];

/**
 * Shell commands that finish the tree at "$1". Nothing from outside is part of them. What mmdebstrap copied from this
 * host (its name, its resolvers) and what only the building needed goes.
 */
export const finishing = ({ name, masked: more }: Distribution): string =>
  [
    "set -e",
    'cd "$1"',
    "rm -f etc/resolv.conf etc/dpkg/dpkg.cfg.d/99mmdebstrap var/log/*.log var/log/apt/* var/cache/ldconfig/aux-cache",
    `echo ${name} > etc/hostname`,
    "mkdir -p etc/systemd/system/multi-user.target.wants",
    // It starts when somebody asks for it: a machine without logins at its console needs it at no other time.
    "ln -sf /dev/null etc/systemd/system/multi-user.target.wants/systemd-logind.service",
    // All that is done after an upgrade of /usr was done just now.
    "touch etc/.updated var/.updated",
    ...[...masked, ...more].map((unit) => `ln -sf /dev/null etc/systemd/system/${unit}`),
    "mkdir -p etc/systemd/system-generators",
    ...maskedGenerators.map((name) => `ln -sf /dev/null etc/systemd/system-generators/${name}`),
  ].join("\n");
