import { randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { EmberError } from "../errors/ember-error.ts";
import { identify, isAlive } from "../host/process-identity.ts";
import { explainBoot } from "./boot-failure.ts";
import { readTail } from "./file-parts.ts";
import type { Accelerator, Hypervisor, Machine } from "./hypervisor.ts";

export interface AccelerationTrial {
  readonly kernelPath: string;
  /** Holds ember-guest, which answers the argument `ember.probe` with one line and ends. */
  readonly initrdPath: string;
  /** Existing folder in which the trial makes one of its own, for as long as it takes. */
  readonly folder: string;
  /** As in `VmSpec`. */
  readonly runtimeFolder: string;
}

export interface Acceleration {
  readonly accelerator: Accelerator;
  /** For people: why it is this one. */
  readonly reason: string;
}

const answer = "ember-guest: probe ok";

/**
 * Finds out whether guests run by hardware here, by running one: that a device such as /dev/kvm can be opened does
 * not mean that they do. Takes at most `limitMs` (default 5 s) and then answers "tcg". Leaves nothing behind, and
 * clears what a killed trial left in the same folder. The answer holds until the host's next boot.
 * Throws what says nothing about the hardware: `tool-missing`, `kernel-invalid`, `kernel-not-found`, `interrupted`.
 */
export async function probeAcceleration(
  hypervisor: Hypervisor,
  trial: AccelerationTrial,
  options: { readonly limitMs?: number; readonly signal?: AbortSignal | undefined } = {},
): Promise<Acceleration> {
  const accelerator = hypervisor.capabilities().accelerators.find((candidate) => candidate !== "tcg");
  if (accelerator === undefined) {
    return { accelerator: "tcg", reason: `the ${hypervisor.name} driver has nothing else` };
  }
  await clearLeftovers(hypervisor, trial);
  const name = `${namePrefix}${process.pid}-${randomBytes(6).toString("hex")}`;
  const folder = join(trial.folder, name);
  mkdirSync(folder, { mode: 0o700 });
  try {
    const fault = await tryGuest(hypervisor, { ...trial, folder, name, accelerator }, options);
    if (options.signal?.aborted === true) {
      throw new EmberError("interrupted", "the trial of hardware virtualisation was interrupted");
    }
    if (fault === undefined) return { accelerator, reason: `a guest ran under ${accelerator}` };
    return { accelerator: "tcg", reason: fault };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Attempt extends AccelerationTrial {
  readonly name: string;
  readonly accelerator: Accelerator;
}

/** Undefined when the guest answered, else what happened instead. */
async function tryGuest(
  hypervisor: Hypervisor,
  attempt: Attempt,
  options: { readonly limitMs?: number; readonly signal?: AbortSignal | undefined },
): Promise<string | undefined> {
  const limitMs = options.limitMs ?? 5_000;
  const limit = AbortSignal.timeout(limitMs);
  const signal = options.signal === undefined ? limit : AbortSignal.any([limit, options.signal]);
  let machine: Machine | undefined;
  try {
    machine = await hypervisor.start(specOf(attempt), signal);
    const answered = await waitForAnswer(machine, signal);
    return answered ? undefined : silence(attempt, machine, limitMs);
  } catch (error) {
    if (!(error instanceof EmberError) || options.signal?.aborted === true) throw error;
    if (limit.aborted) return `a guest under ${attempt.accelerator} did not start within ${limitMs / 1000} s`;
    if (!aboutTheHost.has(error.code)) throw error;
    return error.message;
  } finally {
    if (machine !== undefined) await hypervisor.kill(machine);
  }
}

/** Failures of a start that tell about the hardware, or at least about running guests on it. */
const aboutTheHost: ReadonlySet<EmberError["code"]> = new Set([
  "host-unsupported",
  "hypervisor-failed",
  "permission-denied",
  "timeout",
]);

function specOf(attempt: Attempt): Parameters<Hypervisor["start"]>[0] {
  return {
    vmId: attempt.name,
    folder: attempt.folder,
    runtimeFolder: attempt.runtimeFolder,
    accelerator: attempt.accelerator,
    cpus: 1,
    memoryBytes: 256 * 2 ** 20,
    kernelPath: attempt.kernelPath,
    initrdPath: attempt.initrdPath,
    bootArguments: "ember.probe",
    drives: [],
    nic: undefined,
    consoleLog,
  };
}

const consoleLog = "console.log";

/** Until the answer is there, the guest has ended without one, or the time is over. */
async function waitForAnswer(machine: Machine, signal: AbortSignal): Promise<boolean> {
  for (;;) {
    const over = signal.aborted || !isAlive(machine.process);
    if (consoleText(machine.folder).includes(answer)) return true;
    if (over) return false;
    await sleep(20);
  }
}

function consoleText(folder: string): string {
  return readTail(join(folder, consoleLog), 64 * 1024)?.toString("utf8") ?? "";
}

function silence(attempt: Attempt, machine: Machine, limitMs: number): string {
  const ended = isAlive(machine.process) ? `did not boot within ${limitMs / 1000} s` : "ended early";
  return `a guest under ${attempt.accelerator} ${ended}: ${explainBoot(consoleText(attempt.folder)).detail}`;
}

const namePrefix = "probe-";

/** A trial whose ember was killed leaves a hypervisor that may spin for ever, and its folder. */
async function clearLeftovers(hypervisor: Hypervisor, trial: AccelerationTrial): Promise<void> {
  for (const name of readdirSync(trial.folder)) {
    const owner = /^probe-(\d+)-[0-9a-f]{12}$/.exec(name)?.[1];
    if (owner === undefined || identify(Number(owner)) !== undefined) continue;
    const folder = join(trial.folder, name);
    const machine = hypervisor.find(name, folder, trial.runtimeFolder);
    if (machine !== undefined) await hypervisor.kill(machine);
    rmSync(folder, { recursive: true, force: true });
  }
}
