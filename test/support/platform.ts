/**
 * The platform that the executable under test is for: this host's, or macOS's where `test/macos/run` makes this host look
 * like a Mac to it.
 */
export const platform: "linux" | "darwin" =
  process.env["EMBER_TEST_PLATFORM"] === "darwin" ? "darwin" : "linux";

interface PlatformFacts {
  /** What `init` chooses where nothing better is installed. */
  readonly hypervisor: string;
  /** What the command line of a VM's process holds. */
  readonly process: string;
  /** Arguments of `init` for a storage that shares blocks, of that size where it has one of its own. */
  readonly reflink: (size: string) => readonly string[];
  /** Whether a guest sees its disk grow while it runs. */
  readonly growsRunning: boolean;
  /** Whether users without root have a network whose VMs find each other. */
  readonly siblingsOfUsers: boolean;
  /** What `init` chooses for users without root, and where their state is in their home. */
  readonly storageOfUsers: string;
  readonly stateOfUsers: string;
}

export const onPlatform: PlatformFacts =
  platform === "darwin"
    ? {
        hypervisor: "vz",
        process: "ember-vz",
        reflink: () => ["--storage", "reflink"],
        growsRunning: false,
        siblingsOfUsers: false,
        storageOfUsers: "reflink",
        stateOfUsers: "Library/Application Support/ember",
      }
    : {
        hypervisor: "qemu",
        process: "qemu-system",
        reflink: (size) => ["--storage", "reflink", "--size", size],
        growsRunning: true,
        siblingsOfUsers: true,
        storageOfUsers: "qcow2",
        stateOfUsers: ".local/share/ember",
      };
