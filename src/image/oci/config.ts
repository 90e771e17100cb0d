import type { ImageConfig } from "../../types.ts";
import type { Config } from "./schemas.ts";

/** What an image that says nothing runs: nothing. */
export const emptyConfig: ImageConfig = {
  entrypoint: [],
  command: [],
  environment: [],
  user: "",
  workdir: "",
  stopSignal: "",
  exposedPorts: [],
  labels: {},
};

/** An image's configuration in ember's form. */
export function toImageConfig({ config }: Config): ImageConfig {
  return {
    entrypoint: config.Entrypoint,
    command: config.Cmd,
    environment: config.Env,
    user: config.User,
    workdir: config.WorkingDir,
    stopSignal: config.StopSignal,
    exposedPorts: Object.keys(config.ExposedPorts),
    labels: config.Labels,
  };
}
