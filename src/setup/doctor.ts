import { accessSync, constants } from "node:fs";
import { freemem } from "node:os";
import { hypervisorDrivers, installHint, networkDrivers } from "#platform";
import { toEmberError } from "../errors/ember-error.ts";
import { formatSize } from "../host/sizes.ts";
import { lookUpTool } from "../host/tools.ts";
import type { Installation } from "../installation.ts";
import { readSetting } from "../state/settings.ts";
import type { DoctorCheck } from "../types.ts";
import { knownAccelerator } from "../vm/acceleration.ts";
import { lostNetwork } from "../vm/revival.ts";

/** Checks everything that ember needs of the host. Changes nothing, and never throws for what it finds. */
export async function doctor(installation: Installation): Promise<readonly DoctorCheck[]> {
  return [
    ...(await hypervisorChecks(installation)),
    ...(await networkChecks(installation)),
    ...(await networkProcessCheck(installation)),
    accelerationCheck(installation),
    ...toolChecks(),
    await storageCheck(installation),
    memoryCheck(),
    keyCheck(installation),
  ];
}

/** An installation's id, before there is one: drivers are only asked what the host has. */
const noId = "00000000";

async function hypervisorChecks(installation: Installation): Promise<DoctorCheck[]> {
  const context = {
    installationId: readSetting(installation.db, "installation-id") ?? noId,
    jailer: readSetting(installation.db, "jailer") !== "no",
    notice: installation.notice,
  };
  const checks = await Promise.all(
    Object.entries(hypervisorDrivers).map(async ([name, load]): Promise<DoctorCheck> => {
      const probe = await (await load(context)).probe();
      const common = { name: `hypervisor ${name}`, why: "it runs the VMs" };
      if (probe.usable)
        return { ...common, status: "ok", detail: `${probe.version} (${probe.binary})`, remedy: null };
      return { ...common, status: "missing", detail: probe.reason, remedy: probe.hint };
    }),
  );
  // One is enough: the one in use, or any before there is an installation.
  const used = readSetting(installation.db, "hypervisor");
  const enough = checks.some(
    ({ name, status }) => status === "ok" && (used === undefined || name === `hypervisor ${used}`),
  );
  return checks.map((check) =>
    check.status === "missing" && enough ? { ...check, status: "warning" } : check,
  );
}

async function networkChecks(installation: Installation): Promise<DoctorCheck[]> {
  const used = readSetting(installation.db, "network");
  const context = {
    installationId: readSetting(installation.db, "installation-id") ?? noId,
    subnet: readSetting(installation.db, "subnet") ?? "",
    outsideInterface: readSetting(installation.db, "outside-interface"),
    ...installation.networkPlaces,
  };
  return await Promise.all(
    Object.entries(networkDrivers).map(async ([name, load]): Promise<DoctorCheck> => {
      const probe = await (await load(context)).probe();
      const common = { name: `network ${name}`, why: "it connects the VMs" };
      if (probe.usable) {
        const { detail, warning } = probe;
        return {
          ...common,
          status: warning === undefined ? "ok" : "warning",
          detail,
          remedy: warning ?? null,
        };
      }
      const status = used === name ? "missing" : "warning";
      return { ...common, status, detail: probe.reason, remedy: probe.hint };
    }),
  );
}

/** Nothing where the network is no process of its own, or nothing runs in it. */
async function networkProcessCheck(installation: Installation): Promise<DoctorCheck[]> {
  if (!installation.initialized) return [];
  const common = { name: "network process", why: "it connects the running VMs" };
  try {
    const lost = await lostNetwork(installation);
    if (lost !== undefined)
      return [{ ...common, status: "warning", detail: lost, remedy: "run 'ember reconcile'" }];
    const running = (await (await installation.network()).status?.())?.process ?? null;
    if (running === null) return [];
    const detail = `version ${running.version}, process ${running.pid}, since ${running.startedAt}`;
    return [{ ...common, status: "ok", detail, remedy: null }];
  } catch (error) {
    const { message, hint } = toEmberError(error);
    return [{ ...common, status: "missing", detail: message, remedy: hint ?? "see 'ember info'" }];
  }
}

function accelerationCheck(installation: Installation): DoctorCheck {
  const known = installation.initialized ? knownAccelerator(installation) : undefined;
  const common = {
    name: "acceleration",
    why: "without it guests run by software emulation, many times slower",
  };
  if (known === undefined) {
    return {
      ...common,
      status: "ok",
      detail: "not tried since the host booted; the first start tries it",
      remedy: null,
    };
  }
  if (known.accelerator !== "tcg")
    return { ...common, status: "ok", detail: known.accelerator, remedy: null };
  return {
    ...common,
    status: "warning",
    detail: known.reason,
    remedy: "enable virtualisation in the firmware, or nested virtualisation where this host is itself a VM",
  };
}

interface ToolNeed {
  readonly tool: string;
  readonly why: string;
  /** Missing, it stops everything; otherwise only what `why` names. */
  readonly essential: boolean;
}

const toolNeeds: readonly ToolNeed[] = [
  { tool: "skopeo", why: "'ember image pull' fetches images with it", essential: false },
  { tool: "mmdebstrap", why: "'ember image bootstrap' builds Debian and Ubuntu with it", essential: false },
  { tool: "gpgv", why: "'ember kernel pull' checks Debian's signature with it", essential: true },
  { tool: "xz", why: "packages of kernels are compressed with it", essential: true },
  { tool: "ssh", why: "'ember ssh-config' is for it", essential: false },
];

function toolChecks(): DoctorCheck[] {
  return toolNeeds.map(({ tool, why, essential }): DoctorCheck => {
    const path = lookUpTool(tool);
    if (path !== undefined) return { name: tool, status: "ok", detail: path, why, remedy: null };
    return {
      name: tool,
      status: essential ? "missing" : "warning",
      detail: "not installed",
      why,
      remedy: installHint(tool),
    };
  });
}

async function storageCheck(installation: Installation): Promise<DoctorCheck> {
  const common = { name: "storage", why: "disks are made, cloned and kept there" };
  if (!installation.initialized) {
    return { ...common, status: "warning", detail: "not initialised", remedy: "run 'ember init'" };
  }
  try {
    const storage = await installation.storage();
    const { freeBytes, capacityBytes } = await storage.usage();
    const detail = `${storage.name}: ${formatSize(freeBytes)} of ${formatSize(capacityBytes)} free`;
    return freeBytes < capacityBytes * 0.15
      ? {
          ...common,
          status: "warning",
          detail,
          remedy: "see 'ember storage usage'; delete what is not needed, or 'ember storage grow'",
        }
      : { ...common, status: "ok", detail, remedy: null };
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    return {
      ...common,
      status: "missing",
      detail,
      remedy: "see what the message names, then run 'ember doctor' again",
    };
  }
}

function memoryCheck(): DoctorCheck {
  const free = freemem();
  const common = { name: "memory", why: "a VM's memory is the host's", detail: `${formatSize(free)} free` };
  return free < 512 * 2 ** 20
    ? { ...common, status: "warning", remedy: "stop VMs, or give them less with 'ember vm update --memory'" }
    : { ...common, status: "ok", remedy: null };
}

function keyCheck(installation: Installation): DoctorCheck {
  const common = { name: "state folder", why: "it holds the database, the disks and the keys" };
  try {
    accessSync(installation.paths.stateDir, constants.R_OK | constants.W_OK);
    return { ...common, status: "ok", detail: installation.paths.stateDir, remedy: null };
  } catch {
    return {
      ...common,
      status: "missing",
      detail: `${installation.paths.stateDir} cannot be written`,
      remedy: "use --state-dir",
    };
  }
}
