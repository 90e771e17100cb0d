import { dmThinOnFiles } from "../../../test/contract/storage/factory-dm-thin.ts";
import { storageContract } from "../../../test/contract/storage.ts";

storageContract("dm-thin", dmThinOnFiles);
