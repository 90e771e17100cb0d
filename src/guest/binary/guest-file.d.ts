/** A file inside the executable: its path there. */
declare module "#guest-file" {
  const path: string;
  export default path;
}
