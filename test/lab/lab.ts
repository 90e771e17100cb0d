import { TestInstallation } from "../support/ember.ts";
import { type GuestCommand, type GuestResult, LabGuest } from "./guest.ts";

/**
 * A guest with ZFS and device-mapper for as long as a test takes: what this host's kernel cannot do is tried in there, on
 * this tree's sources.
 */
export class Lab implements AsyncDisposable {
  readonly #ember: TestInstallation;
  readonly #guest: LabGuest;

  private constructor(ember: TestInstallation) {
    this.#ember = ember;
    this.#guest = new LabGuest(ember);
  }

  /** Post-condition: the guest is ready, or nothing is left of it. */
  static async boot(): Promise<Lab> {
    const lab = new Lab(new TestInstallation());
    try {
      await lab.#guest.boot();
      return lab;
    } catch (error) {
      await lab[Symbol.asyncDispose]();
      throw error;
    }
  }

  run(command: readonly string[], options: GuestCommand = {}): Promise<GuestResult> {
    return this.#guest.run(command, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#ember.run(["vm", "delete", "--force", "lab"]);
    await this.#ember[Symbol.asyncDispose]();
  }
}
