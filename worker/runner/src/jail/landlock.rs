//! Landlock: which files, whatever the mounts say. In tier B this is the wall in front of the host's files.
//!
//! Everything the kernel's ABI can deny is denied, as a hard requirement: the crate's default would degrade in silence.

use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetStatus, Scope,
};
use wire::control::Refusal;

use super::filesystem::{ReadOnly, WorkFolder};
use super::{because, refusal};
use crate::kernel;

/// ABI 2 (Linux 5.19) is the first that covers moving files between folders.
const ABI_MIN: i32 = 2;
const FIX: &str = "use Linux 5.19 or newer with landlock in CONFIG_LSM, and a container profile that allows landlock_*";

/// What a cell may read.
#[derive(Debug)]
pub struct Rules {
    abi_number: i32,
    visible: ReadOnly,
}

impl Rules {
    /// Asks the kernel once.
    pub fn probe(visible: ReadOnly) -> Result<Self, Refusal> {
        let abi_number = kernel::landlock_abi();
        if abi_number < ABI_MIN {
            return Err(refusal("landlock", &format!("the kernel offers ABI {abi_number}, {ABI_MIN} is needed"), FIX));
        }
        Ok(Self { abi_number, visible })
    }

    /// The kernel's.
    pub fn abi(&self) -> i32 {
        self.abi_number
    }

    /// For the calling process and for good.
    pub fn enforce(&self, work: &WorkFolder) -> Result<(), Refusal> {
        let abi = ABI::from(self.abi_number);
        let all = AccessFs::from_all(abi);
        let failed = because::<landlock::RulesetError>("landlock", FIX);
        let mut rules = Ruleset::default()
            .set_compatibility(CompatLevel::HardRequirement)
            .handle_access(all)
            .map_err(&failed)?;
        if self.abi_number >= 4 {
            rules = rules.handle_access(AccessNet::from_all(abi)).map_err(&failed)?;
        }
        if self.abi_number >= 6 {
            rules = rules.scope(Scope::from_all(abi)).map_err(&failed)?;
        }
        let mut created = rules.create().map_err(&failed)?;
        let read = AccessFs::ReadFile | AccessFs::ReadDir;
        for folder in &self.visible.folders {
            created = add(created, folder, read)?;
        }
        for device in &self.visible.devices {
            created = add(created, device, AccessFs::ReadFile | AccessFs::WriteFile)?;
        }
        created = add(created, Path::new(&work.path_inside()), private(abi))?;
        let status = created.restrict_self().map_err(&failed)?;
        match status.ruleset {
            RulesetStatus::FullyEnforced => Ok(()),
            other => Err(refusal("landlock", &format!("the ruleset is {other:?}"), FIX)),
        }
    }
}

/// In its own folder a cell may do what one does with files: no devices, sockets, pipes, programs.
fn private(abi: ABI) -> BitFlags<AccessFs> {
    AccessFs::from_all(abi)
        & !(AccessFs::Execute | AccessFs::MakeBlock | AccessFs::MakeChar | AccessFs::MakeFifo | AccessFs::MakeSock)
}

fn add(
    rules: landlock::RulesetCreated,
    path: &Path,
    access: BitFlags<AccessFs>,
) -> Result<landlock::RulesetCreated, Refusal> {
    let path: PathBuf = path.to_owned();
    let fd = PathFd::new(&path).map_err(because("landlock", "make the library readable for all users"))?;
    let is_folder = path.is_dir();
    // Rights that only folders have are an error on a file.
    let access = if is_folder { access } else { access & (AccessFs::ReadFile | AccessFs::WriteFile) };
    rules.add_rule(PathBeneath::new(fd, access)).map_err(because("landlock", FIX))
}
