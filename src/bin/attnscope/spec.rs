//! `--method NAME`, or a method for each role, with `--param`.

use attnscope::{
    Error, Result,
    methods::{Part, Role, Roles, Spec, Value, find},
};

/// The method to run.
#[derive(clap::Args)]
pub struct SpecArgs {
    /// Method; `attnscope methods` lists them
    #[arg(long, value_name = "NAME", default_value = "full")]
    method: String,
    /// Instead of --method: what a prompt reads
    #[arg(long, value_name = "NAME", conflicts_with = "method")]
    prefill: Option<String>,
    /// Instead of --method: what other passes read
    #[arg(long, value_name = "NAME", conflicts_with = "method")]
    select: Option<String>,
    /// Instead of --method: what is kept
    #[arg(long, value_name = "NAME", conflicts_with = "method")]
    retain: Option<String>,
    /// Instead of --method: what is run
    #[arg(long, value_name = "NAME", conflicts_with = "method")]
    schedule: Option<String>,
    /// A parameter of the method, or of a role's; may be given several times
    #[arg(long, value_name = "[ROLE.]NAME=VALUE")]
    param: Vec<String>,
}

impl SpecArgs {
    pub fn spec(&self) -> Result<Spec> {
        let part = |name: &Option<String>| name.clone().map(Part::from);
        let mut roles = Roles {
            prefill: part(&self.prefill),
            select: part(&self.select),
            retain: part(&self.retain),
            schedule: part(&self.schedule),
        };
        let mut method = (roles == Roles::default()).then(|| Part::from(self.method.clone()));
        for text in &self.param {
            let (name, value) = text.split_once('=').ok_or_else(|| refuse(text, method.is_some()))?;
            let (part, name) = match &mut method {
                Some(part) => (part, name),
                None => {
                    let (role, name) = name.split_once('.').ok_or_else(|| refuse(text, false))?;
                    let role = Role::ALL.into_iter().find(|r| r.name() == role);
                    let part = role.and_then(|role| roles.get_mut(role).as_mut());
                    (part.ok_or_else(|| refuse(text, false))?, name)
                }
            };
            // A name the method does not have is refused, with those it has, when the method is built.
            let of = find(&part.name)?.params.iter().find(|p| p.name == name);
            let value = of.map_or(Value::Word(value.to_owned()), |p| Value::parse(value, p));
            part.params.insert(name.to_owned(), value);
        }
        Ok(method.map_or(Spec::Roles(roles), Spec::Method))
    }
}

fn refuse(got: &str, one: bool) -> Error {
    let allowed = if one {
        "NAME=VALUE, e.g. --param recent=64"
    } else {
        "ROLE.NAME=VALUE of a role that is given, e.g. --retain h2o --param retain.recent=64"
    };
    Error::Param { name: "--param".to_owned(), got: got.to_owned(), allowed: allowed.to_owned() }
}
