import { masked, maskedGenerators } from "../bootstrap/recipe.ts";

/** Where an image says that it came from when it was built without a Dockerfile of the user's. */
export const developerSource = "build:developer image";

export const developerNotice =
  "no Dockerfile here: building the developer image, Debian with systemd, common tools, and a user 'dev' with sudo";

/** The init and what belongs to it, then what people who develop miss first. Recommended packages are left out. */
const packages: readonly string[] = [
  ...["systemd-sysv", "dbus", "libpam-systemd", "sudo", "passwd", "tzdata", "locales"],
  ...["ca-certificates", "curl", "wget", "openssh-client", "git", "rsync", "gnupg"],
  ...["build-essential", "pkg-config", "python3", "python3-venv"],
  ...["bash-completion", "less", "vim-tiny", "nano", "tmux", "ripgrep", "jq", "file", "patch"],
  ...["procps", "psmisc", "lsof", "strace", "iproute2", "iputils-ping", "netbase"],
  ...["xz-utils", "zstd", "zip", "unzip"],
];

/** Commands that make it boot as a VM does: what only containers need goes, and nothing waits for a console. */
const settling: readonly string[] = [
  "rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/ldconfig/aux-cache",
  "rm -f /usr/sbin/policy-rc.d", // would keep services that are installed later from starting
  ": > /etc/machine-id",
  "useradd --create-home --uid 1000 --shell /bin/bash --groups sudo dev",
  "echo 'dev ALL=(ALL:ALL) NOPASSWD: ALL' > /etc/sudoers.d/dev",
  "chmod 0440 /etc/sudoers.d/dev",
  "echo LANG=C.UTF-8 > /etc/default/locale",
  "mkdir -p /etc/systemd/system-generators",
  `cd /etc/systemd/system && for unit in ${masked.join(" ")}; do ln -sf /dev/null $unit; done`,
  `cd /etc/systemd/system-generators && for each in ${maskedGenerators.join(" ")}; do ln -sf /dev/null $each; done`,
];

/** The Dockerfile of the developer image. One step, so that no layer keeps what was only needed in between. */
export const developerDockerfile: string = `FROM docker.io/library/debian:trixie-slim
ARG DEBIAN_FRONTEND=noninteractive
RUN set -e; apt-get update; apt-get install -y --no-install-recommends ${packages.join(" ")}; ${settling.join("; ")}
ENV LANG=C.UTF-8
CMD ["/sbin/init"]
`;
