import type { BootMethod } from "../kernel/format/kernel-format.ts";

/** What `src/platform/linux.ts` and `src/platform/macos.ts` export, so that the two cannot drift apart. */
export interface PlatformFacts {
  /** "linux" or "darwin": for display and for choosing artefacts; behaviour belongs in the functions below. */
  readonly platformName: "linux" | "darwin";
  /** Start time of a live, non-zombie process, undefined when there is none. */
  processStartTime(pid: number): string | undefined;
  /** Changes with every boot of the host. */
  bootId(): string;
  /** Pids of this host's processes whose command line has `needle` as a whole argument. */
  findProcesses(needle: string): number[];
  /** What a live process has used; undefined when there is none. */
  processUsage(pid: number): ProcessUsage | undefined;
  /** Where state lives when neither flag nor environment says so. */
  defaultStateDir(environment: Environment): string;
  /** A short private folder's parent for sockets (104 bytes is the limit for a socket's path on macOS). */
  runtimeBase(environment: Environment): string;
  /** Folders to look for programs in, after PATH. */
  readonly extraToolFolders: readonly string[];
  /** The command that installs programs here (or a header for C), for the hint of `tool-missing`. */
  installHint(...tools: readonly string[]): string;
  /** Whether kernels can be built: their sources have files whose names differ in case alone, and want GNU tools. */
  readonly buildsKernels: boolean;
  /** The hypervisors that can start a kernel in one of these ways, by their names. */
  bootableBy(methods: readonly BootMethod[]): readonly string[];
  /** The command that makes a first image here. */
  readonly firstImageCommand: string;
  /** What "no route to host" may mean besides what it says. */
  readonly unreachableHint: string | undefined;
}

export interface ProcessUsage {
  /** Processor seconds, of all its threads, since its start. */
  readonly cpuSeconds: number;
  readonly residentBytes: number;
}

/** The part of the environment that ember reads; handed in by the CLI, so that tests can set it. */
export type Environment = Readonly<Record<string, string | undefined>>;
