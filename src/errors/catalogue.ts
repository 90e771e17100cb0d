export type ErrorCode =
  | "internal"
  | "interrupted"
  | "timeout"
  | "tool-failed"
  | "disk-full"
  | "io-failed"
  | "boot-failed"
  | "hypervisor-failed"
  | "network-failed"
  | "guest-unreachable"
  | "guest-failed"
  | "copy-failed"
  | "registry-failed"
  | "build-failed"
  | "image-invalid"
  | "kernel-invalid"
  | "download-failed"
  | "verification-failed"
  | "database-failed"
  | "usage"
  | "invalid-name"
  | "invalid-size"
  | "invalid-reference"
  | "invalid-config"
  | "vm-not-found"
  | "image-not-found"
  | "kernel-not-found"
  | "snapshot-not-found"
  | "file-not-found"
  | "not-initialized"
  | "already-initialized"
  | "vm-exists"
  | "image-exists"
  | "kernel-exists"
  | "snapshot-exists"
  | "wrong-state"
  | "has-dependants"
  | "busy"
  | "port-taken"
  | "addresses-exhausted"
  | "subnet-taken"
  | "unsupported"
  | "tool-missing"
  | "host-unsupported"
  | "permission-denied"
  | "storage-cannot-clone";

/**
 * Every error ember can raise: the code is for ever (scripts match on it), the exit status follows
 * architecture.md section 6, and the title is what docs/errors.md prints beside the code.
 */
export const catalogue: Readonly<
  Record<ErrorCode, { readonly exit: 1 | 2 | 3 | 4 | 5; readonly title: string }>
> = {
  // 1: it was tried and failed
  internal: { exit: 1, title: "A fault in ember itself" },
  interrupted: { exit: 1, title: "The command was interrupted and what it had begun was undone" },
  timeout: { exit: 1, title: "Something did not happen within its time limit" },
  "tool-failed": { exit: 1, title: "A program that ember ran reported a failure" },
  "disk-full": { exit: 1, title: "A file system that ember writes to is full" },
  "io-failed": { exit: 1, title: "A file could not be read or written" },
  "boot-failed": { exit: 1, title: "A VM was started but its agent never answered" },
  "hypervisor-failed": { exit: 1, title: "The hypervisor refused or died" },
  "network-failed": {
    exit: 1,
    title: "The process that is the VMs' network did not start or did not answer",
  },
  "guest-unreachable": { exit: 1, title: "The agent in a running VM does not answer" },
  "guest-failed": { exit: 1, title: "The agent reported a failure" },
  "copy-failed": { exit: 1, title: "Copying in or out of a VM failed" },
  "registry-failed": { exit: 1, title: "A registry could not be used" },
  "build-failed": {
    exit: 1,
    title: "An image could not be built from its Dockerfile, or a kernel from its source",
  },
  "image-invalid": { exit: 1, title: "An image or archive is broken or hostile" },
  "kernel-invalid": { exit: 1, title: "A file is not a kernel that can be booted" },
  "download-failed": { exit: 1, title: "A download failed" },
  "verification-failed": { exit: 1, title: "A checksum or signature did not match" },
  "database-failed": { exit: 1, title: "The state database could not be used" },
  // 2: the command is wrong
  usage: { exit: 2, title: "The command line is wrong" },
  "invalid-name": { exit: 2, title: "A name is not of the allowed form" },
  "invalid-size": { exit: 2, title: "A size is not of the allowed form or range" },
  "invalid-reference": { exit: 2, title: "An image reference cannot be understood" },
  "invalid-config": { exit: 2, title: "A configuration file is wrong" },
  // 3: no such thing
  "vm-not-found": { exit: 3, title: "No VM of that name" },
  "image-not-found": { exit: 3, title: "No image of that name" },
  "kernel-not-found": { exit: 3, title: "No kernel of that name" },
  "snapshot-not-found": { exit: 3, title: "No snapshot of that name" },
  "file-not-found": { exit: 3, title: "A file that the command names is not there" },
  // 4: refused by the present state
  "not-initialized": { exit: 4, title: "The state folder has not been initialised" },
  "already-initialized": { exit: 4, title: "The state folder is initialised already" },
  "vm-exists": { exit: 4, title: "A VM of that name exists" },
  "image-exists": { exit: 4, title: "An image of that name exists" },
  "kernel-exists": { exit: 4, title: "A kernel of that name exists" },
  "snapshot-exists": { exit: 4, title: "A snapshot of that name exists" },
  "wrong-state": { exit: 4, title: "The VM's state does not allow the command" },
  "has-dependants": { exit: 4, title: "Something else still depends on it" },
  busy: { exit: 4, title: "Another command holds it" },
  "port-taken": { exit: 4, title: "A host port is in use" },
  "addresses-exhausted": { exit: 4, title: "No address is left in the subnet" },
  "subnet-taken": { exit: 4, title: "The host has another use for addresses of the subnet" },
  unsupported: { exit: 4, title: "The driver in use cannot do that" },
  // 5: the host lacks something
  "tool-missing": { exit: 5, title: "A program that ember needs is not installed" },
  "host-unsupported": { exit: 5, title: "The host lacks something that ember needs" },
  "permission-denied": { exit: 5, title: "The user may not do that on this host" },
  "storage-cannot-clone": { exit: 5, title: "The storage cannot share blocks between files" },
};
