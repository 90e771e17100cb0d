// Makes a VM, runs a command in it, and deletes it again - also when something throws.
import { Ember } from "ember-vm";

await using ember = await Ember.open({ environment: process.env });
await using vm = await ember.vms.create({
  name: "example-run",
  image: process.argv[2] ?? "debian",
  ephemeral: true,
});

const { exitStatus, stdout } = await vm.exec(["uname", "-s"]);
console.log(`${vm.name} ran uname (status ${exitStatus}): ${stdout.trim()}`);
