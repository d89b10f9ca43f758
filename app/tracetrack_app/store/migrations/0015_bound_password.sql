-- The hash of the password that the admin binding gave this account last; NULL before it gave one. A binding whose
-- password is still that one changes nothing, whatever password its user has set since.
ALTER TABLE users ADD COLUMN bound_password_hash text;
