import { Workshop } from "./workshop.ts";

// Run as a process of its own: HOME FAULT COMMAND ARGUMENT NAME [STORAGE_CONF]. Kills itself at the step that FAULT names, or, for `progress:TEXT`,
// when it tells of a progress that begins with that.

const [home = "", fault = "", command = "", argument = "", name = "", storageConf] = process.argv.slice(2);
const die = (): void => void process.kill(process.pid, "SIGKILL");
const workshop = Workshop.again(home, {
  environment: { CONTAINERS_STORAGE_CONF: storageConf },
  onStep: (kind, step, phase) => {
    if (`${kind}:${step}:${phase}` === fault) die();
  },
});
const onProgress = ({ step }: { step: string }): void => {
  if (fault.startsWith("progress:") && step.startsWith(fault.slice("progress:".length))) die();
};
switch (command) {
  case "import":
    await workshop.images.import(argument, { name });
    break;
  case "pull":
    await workshop.images.pull({ reference: argument, name, tlsVerify: false, onProgress });
    break;
  case "build":
    await workshop.images.build(argument, { name, onProgress });
    break;
  case "delete":
    await workshop.images.delete(argument);
    break;
  default:
    process.exitCode = 2;
}
