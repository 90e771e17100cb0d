// For the library on a runtime that was given no platform condition (plain Node, `bun test`): ask once.

import type { Drivers } from "./drivers.ts";
import type { PlatformFacts } from "./platform.ts";

const current: PlatformFacts & Drivers = await (process.platform === "darwin"
  ? import("./macos.ts")
  : import("./linux.ts"));

export const platformName: PlatformFacts["platformName"] = current.platformName;
export const processStartTime: PlatformFacts["processStartTime"] = current.processStartTime;
export const bootId: PlatformFacts["bootId"] = current.bootId;
export const findProcesses: PlatformFacts["findProcesses"] = current.findProcesses;
export const processUsage: PlatformFacts["processUsage"] = current.processUsage;
export const defaultStateDir: PlatformFacts["defaultStateDir"] = current.defaultStateDir;
export const runtimeBase: PlatformFacts["runtimeBase"] = current.runtimeBase;
export const extraToolFolders: PlatformFacts["extraToolFolders"] = current.extraToolFolders;
export const installHint: PlatformFacts["installHint"] = current.installHint;
export const firstImageCommand: PlatformFacts["firstImageCommand"] = current.firstImageCommand;
export const unreachableHint: PlatformFacts["unreachableHint"] = current.unreachableHint;
export const buildsKernels: PlatformFacts["buildsKernels"] = current.buildsKernels;
export const bootableBy: PlatformFacts["bootableBy"] = current.bootableBy;
export const hypervisorDrivers: Drivers["hypervisorDrivers"] = current.hypervisorDrivers;
export const storageDrivers: Drivers["storageDrivers"] = current.storageDrivers;
export const storageChoices: Drivers["storageChoices"] = current.storageChoices;
export const networkDrivers: Drivers["networkDrivers"] = current.networkDrivers;
export const findContainment: Drivers["findContainment"] = current.findContainment;
