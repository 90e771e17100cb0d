import { zfsOnFiles } from "../../../test/contract/storage/factory-zfs.ts";
import { storageContract } from "../../../test/contract/storage.ts";

storageContract("zfs on a pool in a file", zfsOnFiles);
