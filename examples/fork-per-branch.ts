// Prepares one VM, then gives every branch a machine of its own: forks share the disk's blocks, so they cost next to nothing.
import { Ember } from "ember-vm";

await using ember = await Ember.open({ environment: process.env });
await using base = await ember.vms.create({
  name: "example-base",
  image: process.argv[2] ?? "debian",
  ephemeral: true,
});
await base.exec(["sh", "-c", "echo prepared > /root/state"]);
await base.stop();

for (const branch of ["feature-a", "feature-b"]) {
  const fork = await base.fork({ name: `example-${branch}` });
  try {
    await fork.exec(["sh", "-c", `echo ${branch} >> /root/state`]);
    const { stdout } = await fork.exec(["cat", "/root/state"]);
    console.log(`${fork.name}: ${stdout.trim().split("\n").join(", ")}`);
  } finally {
    await fork.delete({ force: true });
  }
}
