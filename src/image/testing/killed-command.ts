import { Workshop } from "./workshop.ts";

// Run as a process of its own: HOME FAULT COMMAND ARGUMENT NAME. Kills itself at the step that FAULT names.

const [home = "", fault = "", command = "", argument = "", name = ""] = process.argv.slice(2);
const workshop = Workshop.again(home, {
  onStep: (kind, step, phase) => {
    if (`${kind}:${step}:${phase}` === fault) process.kill(process.pid, "SIGKILL");
  },
});
switch (command) {
  case "import":
    await workshop.images.import(argument, { name });
    break;
  case "pull":
    await workshop.images.pull({ reference: argument, name });
    break;
  case "delete":
    await workshop.images.delete(argument);
    break;
  default:
    process.exitCode = 2;
}
