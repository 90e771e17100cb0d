// Stops whatever is going on after a time limit: an AbortSignal undoes a start and kills a command.
import { Ember, EmberError } from "ember-vm";

await using ember = await Ember.open({ environment: process.env });
await using vm = await ember.vms.create({
  name: "example-limit",
  image: process.argv[2] ?? "debian",
  ephemeral: true,
});

try {
  await vm.exec(["sleep", "3600"], { signal: AbortSignal.timeout(2000) });
} catch (error) {
  if (!(error instanceof EmberError)) throw error;
  console.log(`the command was stopped: ${error.code}`);
}
const { stdout } = await vm.exec(["echo", "the VM goes on"], { timeoutMs: 30_000 });
console.log(stdout.trim());
