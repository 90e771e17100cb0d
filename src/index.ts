/** The library: everything the `ember` command does. */

export type * from "./api.ts";
export { Ember, type OpenOptions } from "./ember.ts";
export { catalogue as errorCatalogue, type ErrorCode } from "./errors/catalogue.ts";
export { EmberError } from "./errors/ember-error.ts";
export type * from "./types.ts";
