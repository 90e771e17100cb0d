import { describe, expect, test } from "bun:test";
import type { Network, SubnetClash } from "../network/network.ts";
import { networkContext } from "../network/testing/context.ts";
import { createUserNetwork } from "../network/user/driver.ts";
import { chooseDrivers, chooseSubnet } from "./choose-drivers.ts";

const notice = (): void => undefined;
const contexts = {
  hypervisor: { installationId: "0123abcd", jailer: true, notice },
  network: networkContext({ installationId: "0123abcd", subnet: "" }),
};
const auto = { hypervisor: "auto", network: "auto", accelerator: "auto", storage: "auto" };

function clashing(clash: SubnetClash | undefined): Network {
  return { ...createUserNetwork(networkContext()), subnetClash: async () => clash };
}

describe("the subnet", () => {
  test("is the usual one where nothing else uses it", async () => {
    expect(await chooseSubnet(clashing(undefined), undefined, undefined)).toBe("10.100.0.0/16");
  });

  test("is a free one where the host uses the usual one and nobody asked for it", async () => {
    const network = clashing({ why: "overlaps with the route 10.0.0.0/8 dev eth0", free: "172.30.0.0/16" });
    expect(await chooseSubnet(network, undefined, undefined)).toBe("172.30.0.0/16");
  });

  test("is refused with a free one when it was asked for, or VMs have addresses in it already", async () => {
    const network = clashing({ why: "overlaps with the route 10.7.0.0/16 dev eth0", free: "10.8.0.0/16" });
    for (const [wanted, kept] of [
      ["10.7.0.0/16", undefined],
      [undefined, "10.7.0.0/16"],
    ] as const) {
      const refused = await chooseSubnet(network, wanted, kept).catch((error: unknown) => error);
      expect(refused).toMatchObject({ code: "subnet-taken", message: expect.stringContaining("dev eth0") });
      expect(refused).toMatchObject({ hint: expect.stringContaining("10.8.0.0/16") });
    }
  });
});

describe("the drivers", () => {
  test("that were asked for by name are used or refused, never replaced", async () => {
    await expect(chooseDrivers({ ...auto, hypervisor: "bochs" }, contexts)).rejects.toThrow(
      "no hypervisor driver 'bochs'",
    );
    await expect(chooseDrivers({ ...auto, network: "carrier-pigeon" }, contexts)).rejects.toMatchObject({
      code: "usage",
    });
  });

  test("left to ember can do what else was asked for", async () => {
    const chosen = await chooseDrivers(
      { ...auto, network: "user", accelerator: "tcg", storage: "qcow2" },
      contexts,
    );
    expect([chosen.hypervisor.name, chosen.network.name]).toEqual(["qemu", "user"]);
  });
});
