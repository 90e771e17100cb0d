import { qcow2OnExt4 } from "../../../test/contract/storage/factories.ts";
import { storageContract } from "../../../test/contract/storage.ts";

storageContract("qcow2", qcow2OnExt4);
